package standin

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// tokenLife is how long a REST token lives after its last use.
const tokenLife = 5 * time.Minute

// tokens are the REST tokens of one process. No other process knows them, and
// they are gone when it ends.
type tokens struct {
	mu    sync.Mutex
	token map[string]*token // by its text
	user  map[string]string // user to token
}

type token struct {
	user string
	used time.Time
}

func newTokens() *tokens {
	return &tokens{token: map[string]*token{}, user: map[string]string{}}
}

// issue returns the user's token: the one that still lives, or a new one. There
// is at most one for each user.
func (t *tokens) issue(user string, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text, ok := t.user[user]; ok {
		if old := t.token[text]; now.Sub(old.used) < tokenLife {
			old.used = now
			return text
		}
		delete(t.token, text)
	}
	text := newUUID()
	t.token[text] = &token{user: user, used: now}
	t.user[user] = text
	return text
}

// check returns the token's user and keeps the token alive. An expired one is
// known and not ok.
func (t *tokens) check(text string, now time.Time) (user string, known, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tok, known := t.token[text]
	if !known {
		return "", false, false
	}
	if now.Sub(tok.used) >= tokenLife {
		return "", true, false
	}
	tok.used = now
	return tok.user, true, true
}

// newUUID returns a random UUID, 36 characters (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand.Read ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
