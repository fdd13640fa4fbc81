package token

import (
	"errors"
	"fmt"
	"time"
)

const (
	// copyAgain is how long after its last copy a login that goes on being used is
	// copied once more, so that the other side does not forget it.
	copyAgain = time.Minute
	// MaxCopies bounds what is copied at once.
	MaxCopies = 500
	// maxServers bounds the servers of one login.
	maxServers = 256
)

// Copy is a login with its tokens, for another broker. It holds a password: it is
// sent over authenticated and encrypted connections only, and never logged.
type Copy struct {
	Authorization string `json:"authorization"`
	// Age is how long ago the login was used last.
	Age     time.Duration `json:"age"`
	Servers []CopyToken   `json:"servers"`
}

// CopyToken is one server's token of a login.
type CopyToken struct {
	Server uint64        `json:"server"`
	Token  string        `json:"token"`
	Age    time.Duration `json:"age"`
}

// String keeps a login out of logs.
func (Copy) String() string { return "login" }

// GoString keeps a login out of logs.
func (Copy) GoString() string { return "login" }

// Validate refuses what no broker sends.
func (c Copy) Validate() error {
	switch {
	case c.Authorization == "" || len(c.Authorization) > maxLogin:
		return errors.New("copy of a login: no Authorization, or too long a one")
	case c.Age < 0 || len(c.Servers) > maxServers:
		return fmt.Errorf("copy of a login: used %s ago, with %d servers", c.Age, len(c.Servers))
	}
	for _, t := range c.Servers {
		if !Valid(t.Token) || t.Age < 0 {
			return errors.New("copy of a login: something that is no token")
		}
	}
	return nil
}

// Copies returns what another broker should know and was not told yet, or a minute ago:
// at most MaxCopies, and whether there is more.
func (b *Broker) Copies(now time.Time) (copies []Copy, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	for _, l := range b.logins {
		if !l.changed && l.used.Sub(l.copied) < copyAgain {
			continue
		}
		if len(copies) == MaxCopies {
			return copies, true
		}
		c := Copy{Authorization: l.authorization, Age: max(0, now.Sub(l.used))}
		for server, t := range l.servers {
			if len(c.Servers) < maxServers {
				c.Servers = append(c.Servers, CopyToken{server, t.token, max(0, now.Sub(t.used))})
			}
		}
		l.changed, l.copied = false, now
		copies = append(copies, c)
	}
	return copies, false
}

// CopyAll has the next Copies return everything: another broker knows nothing yet.
func (b *Broker) CopyAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.logins {
		l.changed = true
	}
}

// TakeCopies takes what another broker knows. What is not valid is left out.
func (b *Broker) TakeCopies(now time.Time, copies []Copy) {
	for _, c := range copies {
		if c.Validate() == nil && c.Age < lifetime {
			b.takeCopy(now, c)
		}
	}
}

func (b *Broker) takeCopy(now time.Time, c Copy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	used := now.Add(-c.Age)
	l := b.logins[c.Authorization]
	if l == nil && len(c.Servers) == 0 {
		return // without a token nothing would find it, nor forget it
	}
	if l == nil {
		l = b.add(&Login{authorization: c.Authorization, used: used})
		b.logins[c.Authorization] = l
	}
	if used.After(l.used) {
		l.used = used
	}
	l.copied = now // it came from there
	for _, t := range c.Servers {
		at := now.Add(-t.Age)
		if mine := l.servers[t.Server]; mine.token == "" || at.After(mine.used) {
			b.issue(at, l, t.Server, t.Token)
		}
	}
	l.changed = false
}
