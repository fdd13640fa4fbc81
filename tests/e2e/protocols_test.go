//go:build linux

package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/omflow/booster/tests/e2e/harness"
)

// HTTP/1.1, HTTP/2 and HTTP/3 are served in front, with Caddy's own certificates,
// and sessions have cookies that only TLS carries. A WebSocket passes through a
// plain balancer.
func TestProtocols(t *testing.T) {
	t.Parallel()
	echo := echoServer(t)
	secure, plain := harness.FreeAddress(t), harness.FreeAddress(t)
	c := start(t, harness.Config{
		Servers: []harness.Server{{}},
		Global:  "auto_https disable_redirects\nskip_install_trust",
		Sites: fmt.Sprintf("https://%s {\n\ttls internal\n\tomflow_booster\n}\n", secure) +
			fmt.Sprintf("http://%s {\n\tomflow_booster {\n\t\tprofile none\n\t\tserver %s\n\t}\n}\n", plain, echo),
	})
	trusted := &tls.Config{RootCAs: authority(t, c.Booster)}
	_, port, err := net.SplitHostPort(secure)
	if err != nil {
		t.Fatal(err)
	}
	quic := &http3.Transport{TLSClientConfig: trusted}
	defer quic.Close()
	for _, p := range []struct {
		major     int
		transport http.RoundTripper
	}{
		{1, &http.Transport{TLSClientConfig: trusted.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}},
		{2, &http.Transport{TLSClientConfig: trusted.Clone(), ForceAttemptHTTP2: true}},
		{3, quic},
	} {
		t.Run(fmt.Sprintf("HTTP/%d", p.major), func(t *testing.T) {
			client := &http.Client{Transport: p.transport, Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			resp, err := client.Get("https://" + net.JoinHostPort("127.0.0.1", port) + "/accounts/login/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != p.major || len(body) < 40_000 {
				t.Fatalf("HTTP %d over HTTP/%d, %d bytes, %v", resp.StatusCode, resp.ProtoMajor, len(body), err)
			}
			if resp.Header.Get("X-Stand-In") != "s1" {
				t.Errorf("answered by %q", resp.Header.Get("X-Stand-In"))
			}
			for _, cookie := range resp.Cookies() {
				if cookie.Name == "omflow_server" && !(cookie.Secure && cookie.HttpOnly && cookie.SameSite == http.SameSiteLaxMode) {
					t.Errorf("the sticky cookie is %s", cookie.Raw)
				}
			}
		})
	}
	t.Run("WebSocket", func(t *testing.T) { webSocket(t, plain) })
}

// authority returns the certificates that Caddy signs with.
func authority(t *testing.T, n *harness.Node) *x509.CertPool {
	t.Helper()
	root := filepath.Join(n.Dir, "caddy", "pki", "authorities", "local", "root.crt")
	pool := x509.NewCertPool()
	harness.Wait(t, time.Minute, "Caddy makes its authority", func() error {
		pem, err := os.ReadFile(root)
		if err != nil {
			return err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate", root)
		}
		return nil
	})
	return pool
}

// The handshake's example in RFC 6455, section 1.3.
const (
	webSocketKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	webSocketAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// echoServer answers the handshake and then sends all bytes back.
func echoServer(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Key") != webSocketKey {
			fmt.Fprintln(w, "no WebSocket is asked for")
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", webSocketAccept)
		if buffered.Flush() != nil {
			return
		}
		_, _ = io.Copy(conn, buffered) // until the client leaves
	})}
	go server.Serve(listener) // ends with Close
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

func webSocket(t *testing.T, address string) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /chat HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", address, webSocketKey)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != webSocketAccept ||
		!strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") {
		t.Fatalf("HTTP %d, %v", resp.StatusCode, resp.Header)
	}
	// What follows is bytes, whatever they mean: a masked text frame, then more.
	for _, message := range []string{"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", strings.Repeat("more ", 10_000)} {
		if _, err := io.WriteString(conn, message); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, len(message))
		if _, err := io.ReadFull(in, back); err != nil || string(back) != message {
			t.Fatalf("%d bytes came back otherwise: %v", len(message), err)
		}
	}
}

// The questions of load balancers in front: alive while it serves, ready while a
// server can take requests, active while it is the active booster.
func TestWellKnown(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Servers: []harness.Server{{}}})
	check := func(want map[string]int) {
		t.Helper()
		harness.Wait(t, time.Minute, "the answers", func() error {
			for question, code := range want {
				resp, err := http.Get(c.Booster.URL + "/.well-known/omflow/" + question)
				if err != nil {
					return err
				}
				resp.Body.Close()
				if resp.StatusCode != code {
					return fmt.Errorf("%s: HTTP %d, should be %d", question, resp.StatusCode, code)
				}
			}
			return nil
		})
	}
	check(map[string]int{"live": 200, "ready": 200, "active": 200, "unheard-of": 404})
	if out := c.Booster.Command(t, "drain", "s1"); out.Code != 0 {
		t.Fatal(out.Stderr)
	}
	check(map[string]int{"live": 200, "ready": 503, "active": 200})
	if out := c.Booster.Command(t, "resume", "s1"); out.Code != 0 {
		t.Fatal(out.Stderr)
	}
	check(map[string]int{"live": 200, "ready": 200, "active": 200})
	c.KillServer(t, 0)
	// The booster finds out when it next sends something, or checks.
	resp, err := http.Get(c.Booster.URL + "/accounts/login/")
	if err == nil {
		resp.Body.Close()
	}
	check(map[string]int{"live": 200, "ready": 200, "active": 200}) // its agent has started it again
}
