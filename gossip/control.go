package gossip

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/trust"
)

const (
	// controlPrefix is where the control API is this package's own; all other
	// paths belong to the handler that was set.
	controlPrefix = "/gossip/"
	messagePath   = controlPrefix + "v1/message"

	// messageTimeout bounds the sending of one message over TCP.
	messageTimeout = 3 * time.Second
)

type peerKey struct{}

// PeerFrom returns the node that sent a request to the control API, from the
// request's context. Its name and kind are those in its certificate.
func PeerFrom(ctx context.Context) (trust.Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(trust.Peer)
	return p, ok
}

// Sender tells who sent a request to the control API, as PeerFrom does: the node's name,
// and whether it is a booster. ok is false for a request that came another way.
func Sender(r *http.Request) (name string, booster, ok bool) {
	p, ok := PeerFrom(r.Context())
	return p.Name, p.Kind == KindBooster, ok
}

// SetHandler sets what answers other nodes on the control API, from now on; nil
// answers 404. Paths that begin with /gossip/ are not passed to it. The
// requests' PeerFrom tells who asks.
func (n *Node) SetHandler(h http.Handler) { n.handler.Store(&h) }

func (n *Node) serveControl(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		n.serveMessage(w, r)
		return
	}
	if h := n.handler.Load(); h != nil && *h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// serveMessage takes a message that did not fit a packet, or must not get lost.
func (n *Node) serveMessage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != messagePath {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST a message", http.StatusMethodNotAllowed)
		return
	}
	peer, ok := PeerFrom(r.Context())
	if !ok {
		http.Error(w, "the certificate names no node", http.StatusForbidden)
		return
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		http.Error(w, "read message: too long or cut short", http.StatusBadRequest)
		return
	}
	if err := n.takeMessage(b, peer.Name); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// newControlServer makes the HTTP server of the control API. Its connections
// are authenticated before it gets them.
func (n *Node) newControlServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(n.serveControl),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(logWriter{n}, "[DEBUG] control: ", 0),
		BaseContext:       func(net.Listener) context.Context { return n.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if conn, ok := c.(*tls.Conn); ok {
				if p, err := trust.PeerOf(conn.ConnectionState()); err == nil {
					return context.WithValue(ctx, peerKey{}, p)
				}
			}
			return ctx
		},
	}
}

// newControlClient makes the client of other nodes' control APIs.
func (n *Node) newControlClient() *http.Client {
	tr := n.newControlTransport(alpnHTTP2, alpnHTTP1)
	tr.ForceAttemptHTTP2 = true
	// A peer whose machine lost its power says nothing: ask. Frames larger than the
	// default of 16 kB bring lists of files sooner.
	tr.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second, MaxReadFrameSize: 256 << 10}
	return newClient(tr)
}

// newStreamClient makes the client for what is large.
func (n *Node) newStreamClient() *http.Client {
	return newClient(n.newControlTransport(alpnHTTP1))
}

// newControlTransport makes a transport that speaks the given protocols.
func (n *Node) newControlTransport(alpn ...string) *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return n.dialMember(ctx, addr, alpn) },
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("call a member's control API: write https://")
		},
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func newClient(tr *http.Transport) *http.Client {
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialMember connects to the member whose name is the host of addr.
func (n *Node) dialMember(ctx context.Context, addr string, alpn []string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("call member: %w", err)
	}
	m, ok := n.members.get(name)
	if !ok {
		return nil, fmt.Errorf("call member %q: there is no such member", name)
	}
	ctx, cancel := context.WithTimeout(ctx, n.timing.handshake)
	defer cancel()
	conn, err := n.transport.dial(ctx, m.Address, name, alpn...)
	if err != nil {
		return nil, fmt.Errorf("call member %q: %w", name, err)
	}
	return conn, nil
}

// Client returns an HTTP client whose requests to https://<member>/… go to that
// member's control API, over connections on which both sides are authenticated
// and the member's certificate has its name. Connections are kept. It has no
// timeout of its own: give requests a context. Redirects are not followed.
func (n *Node) Client() *http.Client { return n.client }

// Do sends req to the named member's control API; only the path and query of
// its URL count. Otherwise it is like http.Client.Do.
func (n *Node) Do(ctx context.Context, member string, req *http.Request) (*http.Response, error) {
	return do(ctx, n.client, member, req)
}

// DoStream is Do for an answer of megabytes: it has an HTTP/1.1 connection for itself.
// That costs 0.17 s of processor time for 100 MB, both sides together, and HTTP/2 0.27 s;
// and a stream that is read slowly holds up nothing else. Nobody asks a peer meanwhile
// whether it lives: whoever reads must know how long to wait.
func (n *Node) DoStream(ctx context.Context, member string, req *http.Request) (*http.Response, error) {
	return do(ctx, n.streams, member, req)
}

func do(ctx context.Context, client *http.Client, member string, req *http.Request) (*http.Response, error) {
	if !trust.ValidName(member) {
		return nil, fmt.Errorf("call member %q: this is no node name", member)
	}
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = "https", member, member, ""
	return client.Do(out)
}

// handover is the net.Listener that gives authenticated connections to the
// HTTP server.
type handover struct {
	conns chan net.Conn
	addr  net.Addr
	done  chan struct{}
	once  sync.Once
}

func newHandover(addr net.Addr) *handover {
	return &handover{conns: make(chan net.Conn), addr: addr, done: make(chan struct{})}
}

func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return h.addr }

// logWriter takes the lines that memberlist and net/http write with package
// log, and logs them by their level.
type logWriter struct{ n *Node }

// Write implements io.Writer.
func (w logWriter) Write(b []byte) (int, error) {
	if level, key, msg, ok := readLogLine(string(b)); ok {
		w.n.quiet.Event(level, key, msg)
	}
	return len(b), nil
}

// readLogLine takes a line like "[WARN] memberlist: Push/Pull with s1 failed:
// dial …" apart. The key is the line up to its first detail, so that what is
// said of the same thing again and again is logged once a minute.
func readLogLine(line string) (level slog.Level, key, msg string, ok bool) {
	msg = strings.TrimSpace(line)
	level = slog.LevelInfo
	if strings.HasPrefix(msg, "[") {
		var word string
		word, msg, _ = strings.Cut(msg[1:], "] ")
		switch word {
		case "ERR", "ERROR", "WARN":
			// None of memberlist's errors is one of this node: they are about
			// peers and packets.
			level = slog.LevelWarn
		default:
			// Its INFO tells of members that are suspect or dead, which is told
			// by this package once the member table says so.
			level = slog.LevelDebug
		}
	}
	msg = strings.TrimPrefix(strings.TrimSpace(msg), "memberlist: ")
	switch {
	case strings.HasPrefix(msg, "Conflicting address for"):
		return 0, "", "", false // told by the conflict delegate
	case strings.HasPrefix(msg, "Binding to public address without encryption"):
		return 0, "", "", false // the transport encrypts, which memberlist can't know
	case msg == "":
		return 0, "", "", false
	}
	key, _, _ = strings.Cut(msg, " from=")
	key, _, _ = strings.Cut(key, ": ")
	return level, "log|" + key, msg, true
}
