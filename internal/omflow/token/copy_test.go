package token

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestCopies: another broker knows what this one knows, is told of news only, and forgets
// when this one does.
func TestCopies(t *testing.T) {
	var a, b Broker
	now := time.Now()
	a.Learn(now, 1, "Basic YTpi", uuid(1))
	a.Adopt(now, 2, uuid(9)) // of nobody known: of no use to another
	move := func(at time.Time) int {
		t.Helper()
		copies, more := a.Copies(at)
		if more {
			t.Error("there is more")
		}
		b.TakeCopies(at, copies)
		return len(copies)
	}
	if n := move(now); n != 1 {
		t.Fatalf("%d copies", n)
	}
	l, ok := b.Lookup(now, []byte(uuid(1)))
	if !ok {
		t.Fatal("the other does not know the token")
	}
	if own, ok := b.For(now, l, 1); !ok || own != uuid(1) {
		t.Errorf("server 1's token is %q", own)
	}
	if _, ok := b.Lookup(now, []byte(uuid(9))); ok {
		t.Error("a token of no known login was copied")
	}
	if n := move(now.Add(time.Second)); n != 0 {
		t.Errorf("%d copies of no news", n)
	}
	a.Learn(now.Add(2*time.Second), 3, "Basic YTpi", uuid(3))
	if n := move(now.Add(2 * time.Second)); n != 1 {
		t.Errorf("%d copies of a new token", n)
	}
	if own, ok := b.For(now.Add(2*time.Second), l, 3); !ok || own != uuid(3) {
		t.Errorf("server 3's token is %q", own)
	}
	// As long as it is used here it lives there, too.
	for at := now.Add(10 * time.Second); at.Before(now.Add(12 * time.Minute)); at = at.Add(10 * time.Second) {
		if _, ok := a.Lookup(at, []byte(uuid(1))); !ok {
			t.Fatal("it is forgotten although it is used")
		}
		move(at)
	}
	last := now.Add(12 * time.Minute)
	if c := *b.logins["Basic YTpi"]; last.Sub(c.used) > 2*time.Minute {
		t.Errorf("the other believes that it was last used %s ago", last.Sub(c.used))
	}
	if _, ok := b.Lookup(last.Add(lifetime+time.Minute), []byte(uuid(1))); ok {
		t.Error("the other never forgets it")
	}
	// One that knows nothing yet is told all.
	var c Broker
	a.CopyAll()
	copies, _ := a.Copies(last)
	c.TakeCopies(last, copies)
	if _, ok := c.Lookup(last, []byte(uuid(3))); !ok {
		t.Error("a third was not told all")
	}
	if text := fmt.Sprintf("%v %+v %#v", copies, copies, copies[0]); strings.Contains(text, "YTpi") {
		t.Errorf("a copy prints its login: %s", text)
	}
}

// TestCopyWithoutTokens: a login whose last token a server has forgotten is copied
// without one, and kept by nobody who could not forget it again.
func TestCopyWithoutTokens(t *testing.T) {
	var a, b Broker
	now := time.Now()
	a.Learn(now, 1, "Basic YTpi", uuid(1))
	l, _ := a.Lookup(now, []byte(uuid(1)))
	a.Refused(l, 1, uuid(1))
	copies, _ := a.Copies(now)
	if len(copies) != 1 || len(copies[0].Servers) != 0 {
		t.Fatalf("%d copies", len(copies))
	}
	b.TakeCopies(now, copies)
	later := now.Add(2 * lifetime)
	b.Learn(later, 2, "Basic Yzpk", uuid(2)) // sweeps
	if len(b.logins) != 1 || b.logins["Basic Yzpk"] == nil {
		t.Errorf("%d logins are kept", len(b.logins))
	}
}

// FuzzTakeCopies: whatever another broker sends, what is taken is valid and bounded.
func FuzzTakeCopies(f *testing.F) {
	good, _ := json.Marshal([]Copy{{Authorization: "Basic YTpi", Servers: []CopyToken{{1, uuid(1), time.Second}}}})
	f.Add(good)
	f.Add([]byte(`[{"authorization":"x","age":-1}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var copies []Copy
		if json.Unmarshal(text, &copies) != nil {
			return
		}
		var b Broker
		b.TakeCopies(time.Now(), copies)
		for token, k := range b.tokens {
			l := k.login
			if !Valid(token) || l.authorization == "" || len(l.authorization) > maxLogin {
				t.Errorf("taken: %q", token)
			}
			delete(b.logins, l.authorization)
		}
		if len(b.logins) > 0 {
			t.Errorf("%d logins have no token and are never forgotten", len(b.logins))
		}
	})
}
