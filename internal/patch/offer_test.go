package patch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
)

// TestOffer: a large content is on its way before its release has a number, and comes
// once.
func TestOffer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nothing is offered there")
	}
	c, s1, s2 := two(t, content{"a": "1"})
	hang := make(chan struct{})
	c.mu.Lock()
	c.hang = hang
	c.mu.Unlock()
	large := strings.Repeat("large", offerFrom)
	s1.write(content{"large": large})
	c.wait("the content", func() bool { return s2.blobs.Has(sum(large)) })
	if n := c.head().Number; n != 1 {
		t.Fatalf("release %d has a number already", n)
	}
	close(hang)
	c.numbered(2)
	c.rollOut()
	s2.mustHold(content{"a": "1", "large": large})
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.served["s1"]; n != 1 {
		t.Errorf("%d contents were sent, not 1", n)
	}
	s2.mu.Lock()
	defer s2.mu.Unlock()
	if len(s2.spare)+len(s2.coming) > 0 {
		t.Errorf("spare %v, coming %d", s2.spare, len(s2.coming))
	}
}

// TestOfferUnderWay: a release whose content is being fetched on an offer waits for it,
// and fetches it itself when that came to nothing.
func TestOfferUnderWay(t *testing.T) {
	for name, comes := range map[string]bool{"comes": true, "does not come": false} {
		t.Run(name, func(t *testing.T) {
			c, s1, s2 := two(t, content{"a": "1"})
			h := sum("b")
			done := make(chan struct{})
			s2.mu.Lock()
			s2.coming[h] = done
			s2.mu.Unlock()
			s1.write(content{"b": "b"})
			c.numbered(2)
			c.quiet()
			if s2.State().Staged.Number == 2 {
				t.Fatal("it did not wait")
			}
			if comes {
				s2.put(t, "b")
			}
			s2.mu.Lock()
			delete(s2.coming, h)
			s2.mu.Unlock()
			close(done)
			c.rollOut()
			s2.mustHold(content{"a": "1", "b": "b"})
			c.mu.Lock()
			defer c.mu.Unlock()
			if got := c.served["s1"] > 0; got == comes {
				t.Errorf("fetched for the release: %t", got)
			}
		})
	}
}

func sum(text string) release.Hash { return sha256.Sum256([]byte(text)) }

// put puts a content into the server's store.
func (s *server) put(t testing.TB, text string) {
	t.Helper()
	if err := s.blobs.Put(strings.NewReader(text), sum(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
}

// roomToSpare skips a test where the disk has so little room left that a server fetches
// nothing on offers.
func roomToSpare(t *testing.T, s *server) {
	t.Helper()
	if err := s.roomBeside([]release.File{{Size: 1 << 20}}, spareRoom); err != nil {
		t.Skip(err)
	}
}

// TestSpare: of what is fetched on offers a little stays, unless a release names it, and
// what is too large or not there is not fetched.
func TestSpare(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	roomToSpare(t, s2)
	var texts []string
	offer := func(size int64, text string) {
		s2.Offered("s1", []api.Content{{SHA256: sum(text), Size: size}})
		c.wait("the offer to be looked at", func() bool {
			s2.mu.Lock()
			defer s2.mu.Unlock()
			return len(s2.coming) == 0
		})
	}
	for range maxSpare + 4 {
		text := rand.Text()
		texts = append(texts, text)
		s1.put(t, text)
		offer(int64(len(text)), text)
		if !s2.blobs.Has(sum(text)) {
			t.Fatal("it was not fetched")
		}
		if len(texts) == 1 {
			named, err := release.New(nil, release.Draft{
				Kind: release.Patch, Origin: "s1", Time: time.Now(),
				Files: []release.File{{Path: "x", SHA256: sum(text), Size: int64(len(text))}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s2.named(context.Background(), named); err != nil {
				t.Fatal(err)
			}
		}
	}
	here := 0
	for _, text := range texts {
		if s2.blobs.Has(sum(text)) {
			here++
		}
	}
	if !s2.blobs.Has(sum(texts[0])) || here != 1+maxSpare {
		t.Errorf("%d contents are here; the one that a release names: %t", here, s2.blobs.Has(sum(texts[0])))
	}
	s1.put(t, "large")
	offer(1<<40, "large")
	offer(10, "nobody has it")
	if s2.blobs.Has(sum("large")) || s2.blobs.Has(sum("nobody has it")) {
		t.Error("it is here")
	}
}

// TestOfferTwice: a message that offers a content twice, or too many, takes what one
// offer may.
func TestOfferTwice(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	roomToSpare(t, s2)
	var contents []api.Content
	for i := range api.MaxOffered / 2 {
		text := fmt.Sprint("content ", i)
		s1.put(t, text)
		one := api.Content{SHA256: sum(text), Size: int64(len(text))}
		contents = append(contents, one, one)
	}
	s2.Offered("s1", contents)
	c.wait("the offer to be looked at", func() bool {
		s2.mu.Lock()
		defer s2.mu.Unlock()
		return len(s2.coming) == 0
	})
	here := 0
	for i := 0; i < len(contents); i += 2 {
		if s2.blobs.Has(contents[i].SHA256) {
			here++
		}
	}
	if here != maxSpare {
		t.Errorf("%d contents are here, not %d", here, maxSpare)
	}
}

// TestSpareNamed: a content that came on an offer stays when a release names it that this
// server did not have to fetch it for: one of its own.
func TestSpareNamed(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	roomToSpare(t, s2)
	offer := func(text string) {
		s1.put(t, text)
		s2.Offered("s1", []api.Content{{SHA256: sum(text), Size: int64(len(text))}})
		c.wait("the offer to be looked at", func() bool {
			s2.mu.Lock()
			defer s2.mu.Unlock()
			return len(s2.coming) == 0
		})
	}
	const text = "the same on both"
	offer(text)
	s2.write(content{"b": text})
	c.numbered(2) // and not rolled out: nobody has needed it yet
	for i := range 2 * maxSpare {
		offer(fmt.Sprint("another ", i))
	}
	if !s2.blobs.Has(sum(text)) {
		t.Error("a content that release 2 names is gone")
	}
}
