package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
)

// nodes are control APIs by name, over HTTP/2; whoever calls is who.
type nodes struct {
	t       testing.TB
	who     string
	booster bool
	there   map[string]*httptest.Server
}

func newNodes(t testing.TB) *nodes {
	return &nodes{t: t, there: make(map[string]*httptest.Server)}
}

func (n *nodes) add(name string, h http.Handler) {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	n.t.Cleanup(s.Close)
	n.there[name] = s
}

// as returns a client that calls as the given node.
func (n *nodes) as(who string, booster bool) Client {
	n.who, n.booster = who, booster
	return Client{Do: n.do}
}

func (n *nodes) peer(*http.Request) (name string, booster, ok bool) {
	return n.who, n.booster, n.who != ""
}

func (n *nodes) do(ctx context.Context, member string, r *http.Request) (*http.Response, error) {
	s := n.there[member]
	if s == nil {
		return nil, errors.New("no such member")
	}
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = "https", s.Listener.Addr().String(), ""
	return s.Client().Do(out)
}

// chain is releases in memory; it implements Chain.
type chain []*release.Manifest

func (c chain) Head() release.Ref {
	if len(c) == 0 {
		return release.Ref{}
	}
	return c[len(c)-1].Ref()
}

func (c chain) List() (out []history.Entry) {
	for _, m := range slices.Backward(c) {
		out = append(out, history.Entry{Ref: m.Ref()})
	}
	return out
}

func (c chain) Get(number uint64) (*release.Manifest, error) {
	for _, m := range c {
		if m.Number == number {
			return m, nil
		}
	}
	return nil, history.ErrUnknown
}

// makeChain makes releases 1 to n by origin.
func makeChain(t testing.TB, n int, origin string) chain {
	t.Helper()
	var c chain
	var parent *release.Manifest
	for i := range n {
		m, err := release.New(parent, release.Draft{
			Kind: release.Patch, Origin: origin, Time: time.Unix(int64(i), 0),
			Files: []release.File{{Path: "a.py", Size: int64(i), SHA256: sum(fmt.Sprint(i))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c, parent = append(c, m), m
	}
	return c
}

func sum(s string) release.Hash { return sha256.Sum256([]byte(s)) }

// booster answers as it is told and keeps what it was asked.
type booster struct {
	chain
	proposal Proposal
	from     string
	update   Update
	acted    string
	err      error
}

func (b *booster) Propose(_ context.Context, p Proposal, from string) error {
	b.proposal, b.from = p, from
	return b.err
}

func (b *booster) Follow(u Update, from string) error {
	b.update, b.from = u, from
	return b.err
}

func (b *booster) Approve(_ context.Context, number uint64) error {
	b.acted = fmt.Sprint("approve ", number)
	return b.err
}

func (b *booster) Rollback(_ context.Context, number uint64) (uint64, error) {
	b.acted = fmt.Sprint("rollback ", number)
	return number + 100, b.err
}

// agent serves the blobs that lie in a folder under their hash.
type agent struct {
	chain
	dir      string
	opened   chan struct{} // if set, opening a blob waits for it
	told     chain
	offered  []Content
	from     string
	number   uint64
	standing Standing
	lost     Lost
	finding  string
	err      error
}

func (a *agent) Lost(_ context.Context, l Lost, finding string) error {
	a.lost, a.finding = l, finding
	return a.err
}

func (a *agent) Announced(from string, c []*release.Manifest) { a.from, a.told = from, c }
func (a *agent) Offered(from string, c []Content)             { a.from, a.offered = from, c }
func (a *agent) Publish(context.Context) (uint64, error)      { return a.number, a.err }
func (a *agent) Standing() Standing                           { return a.standing }

func (a *agent) OpenBlob(h release.Hash) (fs.File, error) {
	if a.opened != nil {
		<-a.opened
	}
	f, err := os.Open(filepath.Join(a.dir, h.String()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, err
}

// keep puts a blob into the agent's folder.
func (a *agent) keep(t testing.TB, name release.Hash, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name.String()), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fail panics when err is not nil: a test's own input must encode.
func fail(err error) {
	if err != nil {
		panic(err)
	}
}
