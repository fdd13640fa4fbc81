package gossip

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func TestControl(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, s)
	call := func(member, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://ignored"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Do(t.Context(), member, req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ProtoMajor != 2 {
			t.Errorf("HTTP %s is spoken", resp.Proto)
		}
		return resp.StatusCode, string(b)
	}
	if code, _ := call("booster-a", "GET", "/x", ""); code != http.StatusNotFound {
		t.Errorf("without a handler: %d", code)
	}
	for _, word := range []string{"first", "second"} {
		a.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer, ok := PeerFrom(r.Context())
			b, _ := io.ReadAll(r.Body)
			io.WriteString(w, strings.Join([]string{word, peer.Name, peer.Kind, r.Host, r.URL.String(), string(b)}, " "))
			if !ok {
				t.Error("no peer in the context")
			}
		}))
		if code, got := call("booster-a", "POST", "/x?y=1", "body"); code != 200 || got != word+" s1 agent booster-a /x?y=1 body" {
			t.Errorf("%d %q", code, got)
		}
	}
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", messagePath, "", http.StatusMethodNotAllowed},
		{"POST", messagePath, "{", http.StatusUnprocessableEntity},
		{"POST", messagePath, strings.Repeat("x", maxMessage+1), http.StatusBadRequest},
		{"GET", "/gossip/v2/other", "", http.StatusNotFound},
	} {
		if code, text := call("booster-a", c.method, c.path, c.body); code != c.want {
			t.Errorf("%s %s: %d %q, want %d", c.method, c.path, code, text, c.want)
		}
	}
	a.SetHandler(nil)
	if code, _ := call("booster-a", "GET", "/x", ""); code != http.StatusNotFound {
		t.Errorf("after the handler was taken away: %d", code)
	}
}

func TestControlChecksNames(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, s)
	try := func(member string) error {
		req, err := http.NewRequest("GET", "/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Do(t.Context(), member, req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := try("s9"); err == nil || !strings.Contains(err.Error(), "no such member") {
		t.Errorf("an unknown member: %v", err)
	}
	if err := try("a/b"); err == nil || !strings.Contains(err.Error(), "no node name") {
		t.Errorf("no name: %v", err)
	}
	// A member whose address another node has taken.
	m, _ := s.members.get("booster-a")
	m.Name = "booster-b"
	s.members.mu.Lock()
	s.members.m[m.Name] = m
	s.members.mu.Unlock()
	if err := try("booster-b"); err == nil || !strings.Contains(err.Error(), `"booster-a" instead of "booster-b"`) {
		t.Errorf("another node answers: %v", err)
	}
	resp, err := s.Client().Get("http://booster-a/x")
	if err == nil {
		resp.Body.Close()
		t.Error("a request without TLS is sent")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequest("GET", "/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := s.Do(ctx, "booster-a", req); !errors.Is(err, context.Canceled) {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("a cancelled request: %v", err)
	}
}

func TestReconfigure(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "booster-b", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, s)
	before, _ := a.members.get("s1")
	told := make(chan Member, 100)
	defer a.Subscribe(func(m Member) { told <- m })()

	book := new(logBook)
	c := s.cfg
	c.Join, c.Logger, c.timing = []string{a.Addr(), b.Addr()}, slog.New(slog.NewTextHandler(book, nil)), nil
	if err := s.Reconfigure(c); err != nil {
		t.Fatal(err)
	}
	together(t, a, b, s)
	observe.Eventually(t, "the new log has it", func() bool { return len(book.lines("member is alive", "booster-b")) == 1 })
	if after, _ := a.members.get("s1"); after != before {
		t.Errorf("s1 was %+v and is %+v", before, after)
	}
	for len(told) > 0 {
		if m := <-told; m.Name == "s1" {
			t.Errorf("told of %+v", m)
		}
	}
	c.Join = []string{b.Addr()}
	if err := s.Reconfigure(c); err != nil {
		t.Fatal(err)
	}
	if got := s.seeds.status(); len(got) != 1 || got[0].target != b.Addr() {
		t.Errorf("joined are %+v", got)
	}

	for name, change := range map[string]func(*Config){
		"name":      func(c *Config) { c.Name = "s2" },
		"kind":      func(c *Config) { c.Kind = KindBooster },
		"listen":    func(c *Config) { c.Listen = "127.0.0.1:1" },
		"advertise": func(c *Config) { c.Advertise = "127.0.0.1:1" },
		"state dir": func(c *Config) { c.StateDir = t.TempDir() },
	} {
		other := c
		change(&other)
		if err := s.Reconfigure(other); !errors.Is(err, ErrNeedsNewNode) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	other := c
	other.Keys = trust.Keys{}
	if err := s.Reconfigure(other); err == nil || errors.Is(err, ErrNeedsNewNode) {
		t.Errorf("no key: error %v", err)
	}
}

// TestDoStream: a stream is authenticated as any other call is, has HTTP/1.1, and goes to
// a member of that name only.
func TestDoStream(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, s)
	a.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, _ := PeerFrom(r.Context())
		io.WriteString(w, peer.Name+strings.Repeat("x", 1<<20))
	}))
	req, err := http.NewRequest("GET", "/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.DoStream(t.Context(), "booster-a", req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || len(b) != len("s1")+1<<20 || !strings.HasPrefix(string(b), "s1x") || resp.ProtoMajor != 1 {
		t.Errorf("%d bytes, %v, over %s", len(b), err, resp.Proto)
	}
	for _, name := range []string{"s9", "no/name"} {
		if _, err := s.DoStream(t.Context(), name, req); err == nil {
			t.Errorf("%s answered", name)
		}
	}
}
