package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/replica"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is control APIs by name. Who calls is in a header, where the cluster has a
// certificate.
type network struct {
	mu      sync.Mutex
	servers map[string]string
	client  *http.Client
}

func newNetwork(t *testing.T) *network {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &network{servers: make(map[string]string), client: &http.Client{Transport: tr}}
}

func peerOf(r *http.Request) (string, bool, bool) {
	name := r.Header.Get("Name")
	return name, name == "booster", name != ""
}

// serve makes name reachable.
func (n *network) serve(t *testing.T, name string, h http.Handler) {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[name] = strings.TrimPrefix(srv.URL, "http://")
}

func (n *network) as(name string) Client {
	return Client{
		Do: func(ctx context.Context, member string, r *http.Request) (*http.Response, error) {
			n.mu.Lock()
			host := n.servers[member]
			n.mu.Unlock()
			if host == "" {
				return nil, errors.New("no such member")
			}
			r = r.Clone(ctx)
			r.URL.Scheme, r.URL.Host = "http", host
			r.Header.Set("Name", name)
			return n.client.Do(r)
		},
		Agents: func() (out []string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			for other := range n.servers {
				if other != name {
					out = append(out, other)
				}
			}
			return out
		},
	}
}

// TestReplicas: two replicas keep a folder alike over HTTP.
func TestReplicas(t *testing.T) {
	n := newNetwork(t)
	roots := make(map[string]string)
	for _, name := range []string{"a", "b"} {
		dir := t.TempDir()
		roots[name] = filepath.Join(dir, "uploads")
		r, err := replica.New(replica.Config{
			Root: roots[name], StateDir: filepath.Join(dir, "state"), Node: name, Peers: n.as(name), Settle: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		n.serve(t, name, Handler(r, peerOf))
	}
	want := []byte(strings.Repeat("附件", 500_000))
	if err := os.WriteFile(filepath.Join(roots["a"], "報告.txt"), want, 0o644); err != nil {
		t.Fatal(err)
	}
	observe.Succeeds(t, "the other has it", func() error {
		got, err := os.ReadFile(filepath.Join(roots["b"], "報告.txt"))
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("%d bytes", len(got))
		}
		return err
	})
}

// agent answers what a test wants.
type agent struct {
	from     string
	received []replica.Entry
	err      error
	page     replica.Entries
	content  string
	status   replica.Status
	told     string
}

func (a *agent) Status() replica.Status { return a.status }

func (a *agent) ConfirmRemoval(finding string) error {
	a.told = "confirm " + finding
	return a.err
}

func (a *agent) Restore() error {
	a.told = "restore"
	return a.err
}

func (a *agent) Receive(peer string, entries []replica.Entry) error {
	a.from, a.received = peer, append(a.received, entries...)
	return a.err
}

func (a *agent) Digest() (d replica.Digest, err error) {
	d.Buckets[7], d.Away = 1<<63, true
	return d, a.err
}

func (a *agent) Entries(replica.Page) (replica.Entries, error) { return a.page, a.err }

func (a *agent) Open(context.Context, replica.Blob) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(a.content)), a.err
}

func longEntries() []replica.Entry {
	entries := make([]replica.Entry, replica.MaxBatch)
	for i := range entries {
		entries[i] = replica.Entry{Path: strings.Repeat("\x01", 1024)} // six bytes each in JSON
	}
	return entries
}

// TestCalls: everything arrives as it was, also what needs more than one message.
func TestCalls(t *testing.T) {
	n := newNetwork(t)
	a := &agent{content: "content", page: replica.Entries{Entries: longEntries()}}
	n.serve(t, "a", Handler(a, peerOf))
	c, ctx := n.as("b"), t.Context()
	if err := c.Push(ctx, "a", longEntries()); err != nil || len(a.received) != replica.MaxBatch || a.from != "b" {
		t.Errorf("push: %d entries from %q, %v", len(a.received), a.from, err)
	}
	if d, err := c.Digest(ctx, "a"); err != nil || d.Buckets[7] != 1<<63 || !d.Away {
		t.Errorf("digest: %+v, %v", d, err)
	}
	if e, err := c.Entries(ctx, "a", replica.Page{}); err != nil || !e.More || len(e.Entries) == 0 {
		t.Errorf("entries: %d, more %t, %v", len(e.Entries), e.More, err)
	}
	blob := replica.Blob{Path: "f", Size: 7, SHA256: sha256.Sum256([]byte("content"))}
	read := func() (string, error) {
		r, err := c.Fetch(ctx, "a", blob)
		if err != nil {
			return "", err
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		return string(b), err
	}
	if got, err := read(); err != nil || got != "content" {
		t.Errorf("fetch: %q, %v", got, err)
	}
	a.content = "short"
	if got, err := read(); err == nil {
		t.Errorf("fetch of a content that was cut short: %q", got)
	}
	a.content = "longer than it was"
	if got, err := read(); err != nil || got != a.content[:7] {
		t.Errorf("fetch of a content that grew: %q, %v", got, err)
	}
}

// TestOperate: boosters, and nobody else, ask how a replica is and say what to make of
// files that are gone.
func TestOperate(t *testing.T) {
	n := newNetwork(t)
	a := &agent{status: replica.Status{Files: 3, Bytes: 9, Missing: 1, Degraded: strings.Repeat("附", maxText), Suspicious: "the folder is empty"}}
	n.serve(t, "a", Handler(a, peerOf))
	n.serve(t, "bare", http.NotFoundHandler())
	c, ctx := n.as("booster"), t.Context()
	s, err := c.Status(ctx, "a")
	if err != nil || s.Files != 3 || s.Suspicious != "the folder is empty" || len(s.Degraded) > maxText || !strings.HasPrefix(a.status.Degraded, s.Degraded) {
		t.Errorf("status: %d files, %q, %d bytes of %q, %v", s.Files, s.Suspicious, len(s.Degraded), s.Degraded[:3], err)
	}
	for restore, want := range map[bool]string{true: "restore", false: "confirm 1a2b3c4d"} {
		if err := c.Lost(ctx, "a", restore, "1a2b3c4d"); err != nil || a.told != want {
			t.Errorf("%s: told %q, %v", want, a.told, err)
		}
	}
	if _, err := c.Status(ctx, "bare"); !errors.Is(err, ErrNone) {
		t.Errorf("status of an agent without a replica: %v", err)
	}
	if err := c.Lost(ctx, "bare", true, ""); !errors.Is(err, ErrNone) {
		t.Errorf("an agent without a replica was told: %v", err)
	}
	a.told = ""
	for _, who := range []string{"", "b"} {
		if _, err := n.as(who).Status(ctx, "a"); err == nil {
			t.Errorf("%q was told the status", who)
		}
		if err := n.as(who).Lost(ctx, "a", false, ""); err == nil || a.told != "" {
			t.Errorf("%q said what to make of it: %v", who, err)
		}
	}
	a.status.Files = -1
	if _, err := c.Status(ctx, "a"); err == nil {
		t.Error("less than no files were believed")
	}
}

// TestRefusals: who may ask, and how a refusal is told.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		who  string
		err  error
		code string
	}{
		{"", nil, "HTTP 403"},
		{"booster", nil, "HTTP 403"},
		{"b", replica.ErrNotHere, "HTTP 404: " + replica.ErrNotHere.Error()},
		{"b", replica.ErrNotReady, "HTTP 503"},
		{"b", context.Canceled, "HTTP 503"},
		{"b", errors.New("bad\nvalue"), "HTTP 422: bad"},
	} {
		n := newNetwork(t)
		a := &agent{err: tt.err}
		n.serve(t, "a", Handler(a, peerOf))
		c, ctx := n.as(tt.who), t.Context()
		_, digest := c.Digest(ctx, "a")
		_, page := c.Entries(ctx, "a", replica.Page{})
		_, fetch := c.Fetch(ctx, "a", replica.Blob{})
		for what, err := range map[string]error{"push": c.Push(ctx, "a", nil), "digest": digest, "entries": page, "fetch": fetch} {
			if err == nil || !strings.Contains(err.Error(), tt.code) {
				t.Errorf("%q, %v: %s: %v, want %q", tt.who, tt.err, what, err, tt.code)
			}
		}
		if tt.err == nil && a.from != "" {
			t.Errorf("%q: was heard", tt.who)
		}
	}
	n := newNetwork(t)
	n.serve(t, "a", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(" "), maxMessage+1))
	}))
	if _, err := n.as("b").Digest(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a message that is too large: %v", err)
	}
}

// limited is an answer of which the time is bounded.
type limited struct {
	*httptest.ResponseRecorder
	read, write []time.Time // the deadlines that were set
}

func (l *limited) SetReadDeadline(at time.Time) error {
	l.read = append(l.read, at)
	return nil
}

func (l *limited) SetWriteDeadline(at time.Time) error {
	l.write = append(l.write, at)
	return nil
}

// TestDeadlines: nobody can take for ever to send a message, or to take a content, and no
// deadline stays on a connection that is kept.
func TestDeadlines(t *testing.T) {
	h := Handler(&agent{content: "content"}, peerOf)
	for path, body := range map[string]string{
		pushPath: `{"entries":[]}`, entriesPath: `{"bucket":1}`, fetchPath: `{"path":"f","size":7}`, lostPath: `{}`,
	} {
		w := &limited{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("Name", "b")
		if path == lostPath {
			req.Header.Set("Name", "booster")
		}
		began := time.Now()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			t.Errorf("%s: HTTP %d: %s", path, w.Code, w.Body)
		}
		check := func(what string, set []time.Time, most time.Duration) {
			t.Helper()
			if len(set) < 2 || set[0].Before(began) || set[0].After(time.Now().Add(most)) || !set[len(set)-1].IsZero() {
				t.Errorf("%s: deadlines for %s: %v", path, what, set)
			}
		}
		check("the message", w.read, bodyTime)
		if path == fetchPath {
			check("the content", w.write, sendTime)
			if !w.Flushed {
				t.Error("the end of a content is sent without a deadline")
			}
		}
	}
}

// FuzzHandler: nothing that a peer sends is answered with 500, or gets further than
// it may.
func FuzzHandler(f *testing.F) {
	for _, seed := range []string{
		`{"entries":[{"path":"a","version":[{"node":"a","counter":1}],"made":1,"size":1,"sha256":"` + strings.Repeat("a", 64) + `","time":1}]}`,
		`{"bucket":-1,"after":"x"}`, `{"path":"../x","size":1}`, `[]`, `{`, "",
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	r, err := replica.New(replica.Config{
		Root: filepath.Join(dir, "uploads"), StateDir: filepath.Join(dir, "state"), Node: "a",
		Peers: Client{Agents: func() []string { return nil }},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { r.Close() })
	h := Handler(r, func(*http.Request) (string, bool, bool) { return "b", false, true })
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{pushPath, entriesPath, fetchPath} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)))
			if rec.Code == http.StatusInternalServerError {
				t.Errorf("%s: %s", path, rec.Body)
			}
		}
		page, err := r.Entries(replica.Page{})
		if err != nil && !errors.Is(err, replica.ErrNotReady) {
			t.Error(err)
		}
		for _, e := range page.Entries {
			if err := e.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestNoFolder: an agent that replicates no folder says so with 404.
func TestNoFolder(t *testing.T) {
	for status, want := range map[int]bool{http.StatusNotFound: true, http.StatusServiceUnavailable: false} {
		c := Client{Do: func(_ context.Context, _ string, r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			http.Error(w, "no", status)
			return w.Result(), nil
		}}
		if _, err := c.Digest(t.Context(), "s2"); errors.Is(err, replica.ErrNoFolder) != want {
			t.Errorf("%d: ask: %v", status, err)
		}
		if err := c.Push(t.Context(), "s2", nil); errors.Is(err, replica.ErrNoFolder) != want {
			t.Errorf("%d: tell: %v", status, err)
		}
	}
}
