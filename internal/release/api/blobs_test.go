package api

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/store"
)

func openStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func file(content string) release.File {
	return release.File{Path: "x", Size: int64(len(content)), SHA256: sum(content)}
}

// TestBlobs: contents of any size arrive in the store, those that the agent does not
// have are left out, and those that are there already are not read again.
func TestBlobs(t *testing.T) {
	a := &agent{dir: t.TempDir()}
	n := newNodes(t)
	n.add("s2", AgentHandler(a, n.peer))
	s := openStore(t)
	big := strings.Repeat("0123456789abcdef", 1<<16)
	there := "there already"
	if err := s.Put(strings.NewReader(there), sum(there), int64(len(there))); err != nil {
		t.Fatal(err)
	}
	var files []release.File
	for _, content := range []string{"", "hello", there, big, "hello"} {
		files = append(files, file(content))
		a.keep(t, sum(content), content)
	}
	for i := range MaxBlobs { // more than one question takes
		files = append(files, file(fmt.Sprint("missing ", i)))
	}
	files = append(files, file("last"))
	a.keep(t, sum("last"), "last")
	batch := s.NewBatch()
	defer batch.Abort()
	if err := n.as("s1", false).Blobs(t.Context(), "s2", files, batch.Put); err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "hello", there, big, "last"} {
		if !s.Has(sum(content)) {
			t.Errorf("%.20q did not arrive", content)
		}
	}
	if missing := s.Missing(files); len(missing) != MaxBlobs {
		t.Errorf("%d are missing, not %d", len(missing), MaxBlobs)
	}
}

// TestHostileBlobs: what an agent sends instead of what was asked for is not stored.
func TestHostileBlobs(t *testing.T) {
	stream := func(parts ...any) string {
		var b bytes.Buffer
		for _, p := range parts {
			if text, ok := p.(string); ok {
				b.WriteString(text)
				continue
			}
			fail(binary.Write(&b, binary.BigEndian, p))
		}
		return b.String()
	}
	good := blobHead{sum("good"), 4}
	for _, tt := range []struct{ name, stream, want string }{
		{"another content", stream(good, "evil", blobHead{}), "another hash"},
		{"not asked for", stream(blobHead{sum("evil"), 4}, "evil", blobHead{}), "not asked for"},
		{"twice", stream(good, "good", good, "good", blobHead{}), "came twice"},
		{"too long", stream(blobHead{sum("good"), 1 << 60}, "good"), "not 4"},
		{"cut off", stream(good, "go"), "2 bytes, not the 4"},
		{"without an end", stream(good, "good"), "unexpected EOF"},
		{"nothing", "", "unexpected EOF"},
	} {
		n := newNodes(t)
		n.add("s2", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.stream) }))
		s := openStore(t)
		err := n.as("s1", false).Blobs(t.Context(), "s2", []release.File{file("good")}, s.Put)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if s.Has(sum("evil")) {
			t.Errorf("%s: stored", tt.name)
		}
	}
}

// TestDamagedBlob: a stream that can't be finished does not look whole.
func TestDamagedBlob(t *testing.T) {
	a := &agent{dir: t.TempDir()}
	a.keep(t, sum("good"), "go")
	n := newNodes(t)
	n.add("s2", AgentHandler(a, n.peer))
	err := n.as("s1", false).Blobs(t.Context(), "s2", []release.File{file("good")}, openStore(t).Put)
	if err == nil || !strings.Contains(err.Error(), "2 bytes, not 4") {
		t.Error(err)
	}
}

// TestBusy: an agent serves MaxStreams at a time, and the next is told to ask another.
func TestBusy(t *testing.T) {
	a := &agent{dir: t.TempDir(), opened: make(chan struct{})}
	a.keep(t, sum("x"), "x")
	n := newNodes(t)
	n.add("s2", AgentHandler(a, n.peer))
	c := n.as("s1", false)
	fetch := func() error { return c.Blobs(t.Context(), "s2", []release.File{file("x")}, discard) }
	var wg sync.WaitGroup
	results := make(chan error, MaxStreams+1)
	for range MaxStreams + 1 {
		wg.Go(func() { results <- fetch() })
	}
	// Only one can be answered while nothing can be opened.
	if err := <-results; !errors.Is(err, ErrBusy) {
		t.Errorf("one more than may: %v", err)
	}
	close(a.opened)
	wg.Wait()
	for range MaxStreams {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	deadline := time.Now().Add(30 * time.Second)
	for err := fetch(); err != nil; err = fetch() { // a place is given back after the answer
		if !errors.Is(err, ErrBusy) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func discard(r io.Reader, _ release.Hash, _ int64) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
