//go:build linux

package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A thousand requests a second, on kept connections and on new ones, over HTTP/1.1 with
// and without TLS and over HTTP/2, while the configuration is loaded ten times: not one
// fails.
func TestReloadLosesNothing(t *testing.T) {
	const reloads = 10
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Header.Get("X-Number"))
	}))
	defer server.Close()
	plain, secure := harness.FreeAddress(t), harness.FreeAddress(t)
	c := start(t, harness.Config{
		Servers: []harness.Server{},
		Global:  "auto_https disable_redirects\nskip_install_trust",
	})
	b := c.Booster
	configure := func(n int) {
		site := fmt.Sprintf("omflow_booster {\n\tprofile none\n\tserver %s\n\tqueue 4096 %ds\n}", server.Listener.Addr(), 20+n)
		b.Sites = fmt.Sprintf("http://%s {\n%s\n}\nhttps://%s {\ntls internal\n%s\n}\n", plain, site, secure, site)
	}
	configure(0)
	b.Reload(t)
	trusted := &tls.Config{RootCAs: authority(t, b)}
	_, port, err := net.SplitHostPort(secure)
	if err != nil {
		t.Fatal(err)
	}
	secure = net.JoinHostPort("127.0.0.1", port)
	for _, first := range []visitor{newKeeper(plain, nil), newKeeper(secure, trusted)} {
		harness.Wait(t, time.Minute, "the server is up and the certificate there", first.visit)
		first.close()
	}

	crowd := &crowd{stop: make(chan struct{})}
	crowd.add(50, 100*time.Millisecond, func() visitor { return newKeeper(plain, nil) })            // 500/s
	crowd.add(20, 4*time.Second, func() visitor { return newKeeper(plain, nil) })                   // pages that poll
	crowd.add(10, 100*time.Millisecond, func() visitor { return newKeeper(secure, trusted) })       // 100/s
	crowd.add(50, 135*time.Millisecond, func() visitor { return &passerBy{newKeeper(plain, nil)} }) // 370/s, a connection each
	crowd.add(2, 50*time.Millisecond, func() visitor { return newStreams(secure, trusted) })        // 40/s
	for n := range reloads {
		began := time.Now()
		configure(n + 1)
		b.Reload(t)
		t.Logf("reload %d took %s", n+1, time.Since(began).Round(time.Millisecond))
	}
	crowd.end(t)
	if got := strings.Count(b.Log(), "may be cut off"); got > 0 {
		t.Errorf("the booster could not hand over %d times", got)
	}
}

// What has a connection when the process is told to stop is served, and told that its
// connection ends. The others are refused.
func TestStopLosesNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Header.Get("X-Number"))
	}))
	defer server.Close()
	c := start(t, harness.Config{
		Servers: []harness.Server{},
		Front:   fmt.Sprintf("profile none\nserver %s", server.Listener.Addr()),
	})
	address := strings.TrimPrefix(c.Booster.URL, "http://")
	first := newKeeper(address, nil)
	harness.Wait(t, time.Minute, "the server is up", first.visit)
	first.close()

	crowd := &crowd{stop: make(chan struct{})}
	crowd.add(50, 100*time.Millisecond, func() visitor { return newKeeper(address, nil) })
	crowd.add(50, 100*time.Millisecond, func() visitor { return &passerBy{newKeeper(address, nil)} })
	harness.Wait(t, time.Minute, "all are there", func() error { return atLeast(crowd.count(), 2000) })
	c.Booster.Signal(syscall.SIGTERM)
	harness.Wait(t, time.Minute, "the booster ends", func() error {
		if crowd.refused() == 0 || !c.Booster.Ended() {
			return errors.New("it still runs")
		}
		return nil
	})
	crowd.forgiveRefused()
	crowd.end(t)
}

// visitor is a client that makes one request.
type visitor interface {
	visit() error
	close()
}

// crowd is visitors that come at their times, whatever becomes of the others.
type crowd struct {
	stop    chan struct{}
	running sync.WaitGroup
	began   time.Time
	once    sync.Once
	took    time.Duration

	mu       sync.Mutex
	made     int
	failed   []error
	slowest  time.Duration
	expected float64 // requests a second
}

// add adds n visitors that make a request each period.
func (c *crowd) add(n int, period time.Duration, make func() visitor) {
	if c.began.IsZero() {
		c.began = time.Now()
	}
	c.expected += float64(n) / period.Seconds()
	for i := range n {
		c.running.Go(func() {
			v := make()
			defer v.close()
			first := time.NewTimer(period * time.Duration(i) / time.Duration(n))
			defer first.Stop()
			tick := time.NewTicker(period)
			defer tick.Stop()
			select {
			case <-first.C:
				tick.Reset(period)
			case <-c.stop:
				return
			}
			for {
				began := time.Now()
				c.note(v.visit(), time.Since(began))
				select {
				case <-tick.C:
				case <-c.stop:
					return
				}
			}
		})
	}
}

func (c *crowd) note(err error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	c.slowest = max(c.slowest, took)
	if err != nil {
		c.failed = append(c.failed, fmt.Errorf("%s: %w", time.Now().Format("15:04:05.000"), err))
	}
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made
}

// refused is how many have found that nobody listens.
func (c *crowd) refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, err := range c.failed {
		if isRefused(err) {
			n++
		}
	}
	return n
}

// forgiveRefused ends the crowd without counting those as failures.
func (c *crowd) forgiveRefused() {
	c.stopAll()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = slices.DeleteFunc(c.failed, isRefused)
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func (c *crowd) stopAll() {
	c.once.Do(func() {
		c.took = time.Since(c.began)
		close(c.stop)
	})
	c.running.Wait()
}

// end fails the test when a request failed, or when there were too few.
func (c *crowd) end(t *testing.T) {
	t.Helper()
	c.stopAll()
	t.Logf("%d requests in %s, the slowest took %s", c.made, c.took.Round(time.Millisecond), c.slowest)
	if want := c.expected * c.took.Seconds(); float64(c.made) < 0.2*want { // a busy machine makes few
		t.Errorf("they were to be %.0f", want)
	}
	for i, failure := range c.failed {
		if i == 20 {
			break
		}
		t.Log(failure)
	}
	if len(c.failed) > 0 {
		t.Errorf("%d requests failed", len(c.failed))
	}
}

const (
	// visitTime is when a visitor gives up.
	visitTime = 20 * time.Second
	// idleTime is when one takes it that its connection has ended. Those that ask nothing
	// for six seconds are ended by a reload without a word.
	idleTime = 5 * time.Second
)

// keeper is a client that keeps its connection until it is told that it ends, and never
// makes a request twice, unlike net/http's.
type keeper struct {
	address string
	trusted *tls.Config // nil for no TLS
	conn    net.Conn    // nil when it has none
	read    *bufio.Reader
	visits  int
	visited time.Time // when the last visit ended
}

func newKeeper(address string, trusted *tls.Config) *keeper {
	return &keeper{address: address, trusted: trusted}
}

func (k *keeper) visit() error {
	if time.Since(k.visited) > idleTime {
		k.close()
	}
	defer func() { k.visited = time.Now() }()
	kept := k.conn != nil
	err := k.once()
	if err != nil {
		k.close()
		return fmt.Errorf("%s, kept %v: %w", k.address, kept, err)
	}
	return nil
}

func (k *keeper) once() error {
	if k.conn == nil {
		conn, err := net.DialTimeout("tcp", k.address, visitTime)
		if err != nil {
			return err
		}
		if k.trusted != nil {
			config := k.trusted.Clone()
			config.ServerName = "127.0.0.1"
			conn = tls.Client(conn, config)
		}
		k.conn, k.read = conn, bufio.NewReader(conn)
	}
	if err := k.conn.SetDeadline(time.Now().Add(visitTime)); err != nil {
		return err
	}
	k.visits++
	number := fmt.Sprintf("%p-%d", k, k.visits)
	if _, err := fmt.Fprintf(k.conn, "POST / HTTP/1.1\r\nHost: %s\r\nX-Number: %s\r\nContent-Length: 2\r\n\r\nhi", k.address, number); err != nil {
		return err
	}
	resp, err := http.ReadResponse(k.read, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != number:
		return fmt.Errorf("HTTP %d: %.100s", resp.StatusCode, body)
	case resp.Close:
		k.close()
	}
	return nil
}

func (k *keeper) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}

// passerBy is a client that opens a connection for each request.
type passerBy struct{ *keeper }

func (s *passerBy) visit() error {
	defer s.close()
	return s.keeper.visit()
}

// streams is a client that speaks HTTP/2.
type streams struct {
	client *http.Client
	url    string
}

func newStreams(address string, trusted *tls.Config) *streams {
	transport := &http.Transport{TLSClientConfig: trusted.Clone(), ForceAttemptHTTP2: true}
	return &streams{client: &http.Client{Transport: transport, Timeout: visitTime}, url: "https://" + address + "/"}
}

func (s *streams) visit() error {
	// A body that can't be sent twice, so that the client does not hide a failure.
	resp, err := s.client.Post(s.url, "text/plain", io.MultiReader(strings.NewReader("hi")))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		return errors.New(resp.Proto + " " + resp.Status)
	}
	return nil
}

func (s *streams) close() { s.client.CloseIdleConnections() }
