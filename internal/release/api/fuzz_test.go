package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/omflow/booster/internal/release"
)

func proposalBytes(t testing.TB, m *release.Manifest) []byte {
	var b bytes.Buffer
	fail(writeLine(&b, Proposal{Manual: true}))
	text, err := m.Encode()
	fail(err)
	return append(b.Bytes(), text...)
}

// FuzzMessages: whatever a peer sends, what gets through is valid, and nothing that it
// sends is answered with 500.
func FuzzMessages(f *testing.F) {
	two := makeChain(f, 2, "s1")
	f.Add(proposalBytes(f, two[1]))
	var b bytes.Buffer
	fail(writeLine(&b, Update{Term: 2, Approved: two[0].Ref(), Quarantined: []Quarantine{{two[1].Ref(), "x"}}}))
	fail(writeChain(&b, two, false))
	f.Add(b.Bytes())
	b.Reset()
	fail(writeChain(&b, two, false))
	f.Add(b.Bytes())
	large := largeChain(f)
	b.Reset()
	fail(writeChain(&b, large[1:], true))
	f.Add(b.Bytes())
	b.Reset()
	fail(writeLine(&b, Update{Term: 2}))
	fail(writeChain(&b, large[1:], true))
	f.Add(b.Bytes())
	short, err := proposal(Proposal{Manifest: large[1]}, true)
	fail(err)
	f.Add(short.Bytes())
	for _, seed := range []string{`{"act":"approve","number":1}`, `["` + sum("x").String() + `"]`, `[{"sha256":"` + sum("x").String() + `","size":1}]`, `[]`, "{}\n", "\x00\x00\x00\x00", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, a := &booster{chain: large[:1]}, &agent{chain: large[:1], dir: t.TempDir()}
		for _, kind := range []bool{false, true} {
			peer := func(*http.Request) (string, bool, bool) { return "s1", kind, true }
			hb, ha := BoosterHandler(b, peer), AgentHandler(a, peer)
			for path, h := range map[string]http.Handler{
				proposePath: hb, followPath: hb, actPath: hb, announcePath: ha, offerPath: ha, blobsPath: ha, publishPath: ha,
			} {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, io.NopCloser(bytes.NewReader(body))))
				if rec.Code >= http.StatusInternalServerError {
					t.Errorf("%s: HTTP %d", path, rec.Code)
				}
			}
		}
		if p := b.proposal; p.Manifest != nil && (p.Validate() != nil || p.Manifest.Validate() != nil || p.Manifest.Origin != "s1") {
			t.Errorf("got through: %+v", p)
		}
		if len(a.offered) > 0 && offer(a.offered).Validate() != nil {
			t.Errorf("got through: %v", a.offered)
		}
		if b.update.Validate() != nil {
			t.Errorf("got through: %+v", b.update)
		}
		for _, m := range append(b.update.Chain, a.told...) {
			if m.Validate() != nil {
				t.Errorf("got through: %+v", m)
			}
		}
	})
}

// FuzzBlobs: whatever an agent sends, only what was asked for gets through, once each
// and never longer than was said.
func FuzzBlobs(f *testing.F) {
	var b bytes.Buffer
	fail(binary.Write(&b, binary.BigEndian, blobHead{sum("good"), 4}))
	b.WriteString("good")
	fail(binary.Write(&b, binary.BigEndian, blobHead{}))
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		sizes := map[release.Hash]int64{sum("good"): 4}
		seen := make(map[release.Hash]bool)
		err := readBlobs(bytes.NewReader(stream), sizes, func(r io.Reader, h release.Hash, size int64) error {
			content, err := io.ReadAll(r)
			if h != sum("good") || size != 4 || len(content) > 4 || seen[h] {
				t.Errorf("got through: %s, %d bytes, %d read", h, size, len(content))
			}
			seen[h] = true
			return err
		})
		if err == nil && len(sizes) == 0 != seen[sum("good")] {
			t.Errorf("%v is asked for, seen %v", sizes, seen)
		}
	})
}

// FuzzChain: whatever a node sends as its releases, each that gets through is valid and
// has a higher number than the one before.
func FuzzChain(f *testing.F) {
	var b bytes.Buffer
	fail(writeChain(&b, makeChain(f, 2, "s1"), false))
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		asked := 0
		c := Client{Do: func(context.Context, string, *http.Request) (*http.Response, error) {
			body := stream
			if asked++; asked > 1 {
				body = make([]byte, 4) // the end
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}, nil
		}}
		last := uint64(0)
		_ = c.Chain(t.Context(), "x", 0, func(m *release.Manifest) error {
			if m.Validate() != nil || m.Number <= last {
				t.Errorf("got through: %+v", m)
			}
			last = m.Number
			return nil
		})
	})
}
