package api

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
)

// counting is a handler that counts what it is sent.
type counting struct {
	http.Handler
	mu    sync.Mutex
	calls int
	bytes int64
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fail(err)
	c.mu.Lock()
	c.calls, c.bytes = c.calls+1, c.bytes+int64(len(body))
	c.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.Handler.ServeHTTP(w, r)
}

// largeChain is a release of 1,000 files, and one after it that changes one of them.
func largeChain(t testing.TB) []*release.Manifest {
	t.Helper()
	var chain []*release.Manifest
	var parent *release.Manifest
	for n := range 2 {
		d := release.Draft{Kind: release.Patch, Origin: "s1", Time: time.Unix(1e9, 0)}
		for i := range 1000 {
			content := "1"
			if i == 7 {
				content = fmt.Sprint(n)
			}
			d.Files = append(d.Files, release.File{Path: fmt.Sprintf("production/%06d.py", i), Size: 1, SHA256: sum(content)})
		}
		m, err := release.New(parent, d)
		if err != nil {
			t.Fatal(err)
		}
		chain, parent = append(chain, m), m
	}
	return chain
}

// old is a node of a version that knows no deltas: it takes them for what is too long, or
// for no manifest.
func old(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fail(err)
		line, rest, ok := bytes.Cut(body, []byte("\n"))
		if r.URL.Path == announcePath {
			ok, rest = true, body
		}
		if ok && (len(rest) > 4 && binary.BigEndian.Uint32(rest)&isDelta != 0 && rest[0] == 0x80 || bytes.Contains(line, []byte(`"delta":true`))) {
			http.Error(w, "more than are taken", http.StatusUnprocessableEntity)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// TestDeltas: a small change travels as little to who has the release before it, and whole
// to who has not, or knows no better.
func TestDeltas(t *testing.T) {
	two := largeChain(t)
	other := makeChain(t, 1, "s1")
	whole, err := two[1].Encode()
	fail(err)
	for name, c := range map[string]struct {
		has   []*release.Manifest
		old   bool
		short bool
	}{
		"has it":         {two[:1], false, true},
		"has none":       {nil, false, false},
		"has another":    {other, false, false},
		"is of a former": {two[:1], true, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNodes(t)
			b, a := &booster{chain: c.has}, &agent{chain: c.has}
			hb, ha := BoosterHandler(b, n.peer), AgentHandler(a, n.peer)
			if c.old {
				hb, ha = old(hb), old(ha)
			}
			cb, ca := &counting{Handler: hb}, &counting{Handler: ha}
			n.add("b", cb)
			n.add("s2", ca)
			check := func(what string, c0 *counting, got *release.Manifest, err error) {
				t.Helper()
				if err != nil || got == nil || got.Ref() != two[1].Ref() || len(got.Files) != len(two[1].Files) {
					t.Errorf("%s: %v, %v", what, got, err)
				}
				least := int64(0)
				if !c.short {
					least = int64(len(whole))
				}
				if c0.bytes < least || c0.bytes > least+2000 || c.short != (c0.calls == 1) {
					t.Errorf("%s: %d bytes in %d calls, of %d", what, c0.bytes, c0.calls, len(whole))
				}
				c0.calls, c0.bytes = 0, 0
			}
			_, err := n.as("s1", false).Propose(t.Context(), "b", Proposal{Manifest: two[1]})
			check("propose", cb, b.proposal.Manifest, err)
			if b.proposal.Delta {
				t.Error("how it travelled is told")
			}
			err = n.as("b2", true).Follow(t.Context(), "b", Update{Term: 1, Chain: two[1:]})
			check("follow", cb, b.update.Chain[0], err)
			err = n.as("s1", false).Announce(t.Context(), []string{"s2"}, two[1])
			check("announce", ca, a.told[0], err)
		})
	}
}

// TestDeltaBounds: what is made whole of a short message is bounded like what came whole.
func TestDeltaBounds(t *testing.T) {
	two := largeChain(t)
	var b bytes.Buffer
	fail(writeChain(&b, two[1:], true))
	on := parentIn(chain(two[:1]))
	if _, _, err := readManifest(bytes.NewReader(b.Bytes()), two[1].Size()-1, on); err == nil || !strings.Contains(err.Error(), "more than are taken") {
		t.Errorf("%v", err)
	}
	if m, size, err := readManifest(bytes.NewReader(b.Bytes()), two[1].Size(), on); err != nil || size != two[1].Size() || m.Ref() != two[1].Ref() {
		t.Errorf("%v, %d bytes, %v", m, size, err)
	}
	if _, _, err := readManifest(bytes.NewReader(b.Bytes()), release.MaxManifest, nil); err == nil {
		t.Error("a delta was taken where there is no parent")
	}
}
