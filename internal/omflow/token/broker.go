package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// Length of a token, in bytes: a UUID in its usual form.
	Length = 36
	// lifetime is how long a server keeps a token that is not used.
	lifetime = 5 * time.Minute
	// fresh is how long after its last use a server's token is believed in without
	// asking: lifetime less the longest time that a call may wait for its answer.
	fresh = lifetime - 30*time.Second
	// maxLogin bounds an Authorization field, in bytes.
	maxLogin = 4096
	// maxLogins bounds the logins that are remembered; the one unused longest makes
	// way. Each holds a few hundred bytes.
	maxLogins = 10_000
	// sweepEvery is how often the logins that are over are looked for.
	sweepEvery = 10 * time.Second
)

// ErrNoLogin is returned by Fetch for a token that was adopted: there is no login to
// get another with.
var ErrNoLogin = errors.New("the login of this token is not known")

// Login is what a token was issued for. It says nothing about itself.
type Login struct {
	authorization string // "" if it was adopted
	used          time.Time
	servers       map[uint64]issued
	fetching      map[uint64]*fetch
	gone          bool
	// changed: it has a token that another broker was not told of; copied is when it
	// was told last.
	changed bool
	copied  time.Time
}

// known is a token that stands for a login. used is when a client used it last, or
// when it came.
type known struct {
	login *Login
	used  time.Time
}

// issued is a server's own token of a login.
type issued struct {
	token string
	used  time.Time
}

// fetch is a request for a token that is under way.
type fetch struct {
	done  chan struct{}
	token string
	err   error
	left  bool // whoever got it went away
}

// String keeps a login out of logs.
func (*Login) String() string { return "login" }

// GoString keeps a login out of logs.
func (*Login) GoString() string { return "login" }

// Broker remembers logins and their tokens. Any goroutine may use it; the zero value
// is ready.
type Broker struct {
	mu      sync.Mutex
	tokens  map[string]*known
	logins  map[string]*Login // by Authorization
	swept   time.Time
	adopted int
	timer   *time.Timer // runs while there are tokens
}

// Valid reports whether a text has the form of a token.
func Valid[T string | []byte](text T) bool {
	if len(text) != Length {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return false
			}
		}
	}
	return true
}

// Learn notes that a server issued a token to a login: the Authorization field of the
// request that asked for it. What can't be a token or a login is ignored.
func (b *Broker) Learn(now time.Time, server uint64, authorization, token string) {
	if !Valid(token) || authorization == "" || len(authorization) > maxLogin {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	l := b.logins[authorization]
	if l == nil {
		l = b.add(&Login{authorization: authorization})
		b.logins[authorization] = l
	}
	l.used = now
	b.issue(now, l, server, token)
}

// Adopt notes that a server knows a token whose login is not known.
func (b *Broker) Adopt(now time.Time, server uint64, token string) {
	if !Valid(token) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	if b.tokens[token] != nil {
		return
	}
	l := b.add(&Login{used: now})
	b.issue(now, l, server, token)
}

func (b *Broker) add(l *Login) *Login {
	if b.tokens == nil {
		b.tokens, b.logins = make(map[string]*known), make(map[string]*Login)
	}
	if len(b.logins)+b.adopted >= maxLogins {
		b.makeRoom()
	}
	if l.authorization == "" {
		b.adopted++
	}
	l.servers = make(map[uint64]issued)
	if b.timer == nil {
		b.timer = time.AfterFunc(sweepEvery, b.sweepLater)
	}
	return l
}

// sweepLater forgets what is over although nobody uses the broker, and goes on until
// it has forgotten all.
func (b *Broker) sweepLater() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(time.Now())
	if len(b.tokens) == 0 {
		b.timer = nil
		return
	}
	b.timer.Reset(sweepEvery)
}

// makeRoom forgets the login that was not used for longest.
func (b *Broker) makeRoom() {
	var oldest *Login
	for _, k := range b.tokens {
		if oldest == nil || k.login.used.Before(oldest.used) {
			oldest = k.login
		}
	}
	if oldest != nil {
		b.forget(oldest)
	}
}

// issue notes a server's token of a login. The caller holds b.mu.
func (b *Broker) issue(now time.Time, l *Login, server uint64, token string) {
	if old := l.servers[server]; old.token != "" && old.token != token {
		b.drop(l, server, old.token)
	}
	l.servers[server] = issued{token: token, used: now}
	l.changed = true
	if other := b.tokens[token]; other != nil && other.login != l {
		b.forget(other.login) // adopted before its login was seen
	}
	b.tokens[token] = &known{l, now}
}

// drop takes a server's token from a login. The token still stands for the login as
// long as a client uses it: only the server has forgotten it.
func (b *Broker) drop(l *Login, server uint64, token string) {
	if l.servers[server].token == token {
		delete(l.servers, server)
	}
}

func (b *Broker) forget(l *Login) {
	l.gone = true
	for token, of := range b.tokens {
		if of.login == l {
			delete(b.tokens, token)
		}
	}
	if l.authorization == "" {
		b.adopted--
	} else if b.logins[l.authorization] == l {
		delete(b.logins, l.authorization)
	}
}

// sweep forgets the logins that have rested for longer than any server keeps their
// tokens, and of the others the tokens that no server has and no client has used for so
// long. The caller holds b.mu.
func (b *Broker) sweep(now time.Time) {
	if now.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = now
	for token, k := range b.tokens {
		l := k.login
		switch {
		case now.Sub(k.used) <= lifetime:
		case now.Sub(l.used) <= lifetime:
			if !l.isIssued(token) {
				delete(b.tokens, token)
			}
		default:
			l.gone = true
			delete(b.tokens, token)
			if l.authorization != "" && b.logins[l.authorization] == l {
				delete(b.logins, l.authorization)
			}
		}
	}
	b.adopted = 0
	counted := make(map[*Login]bool)
	for _, k := range b.tokens {
		if k.login.authorization == "" && !counted[k.login] {
			counted[k.login] = true
			b.adopted++
		}
	}
}

// isIssued reports whether some server has the token.
func (l *Login) isIssued(token string) bool {
	for _, i := range l.servers {
		if i.token == token {
			return true
		}
	}
	return false
}

// Lookup returns the login of a token that a client uses, and counts as a use of it.
func (b *Broker) Lookup(now time.Time, token []byte) (*Login, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(now)
	k := b.tokens[string(token)]
	if k == nil || now.Sub(k.login.used) > lifetime {
		return nil, false
	}
	k.used, k.login.used = now, now
	return k.login, true
}

// For returns a server's own token of a login, if one is known that the server still
// has, as far as can be told. It counts as a use of it.
func (b *Broker) For(now time.Time, l *Login, server uint64) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := l.servers[server]
	if !ok || now.Sub(i.used) > fresh {
		return "", false
	}
	i.used = now
	l.servers[server] = i
	return i.token, true
}

// Home returns the one server of an adopted token.
func (b *Broker) Home(l *Login) (server uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.authorization != "" {
		return 0, false
	}
	for server := range l.servers {
		return server, true
	}
	return 0, false
}

// Fetch gets a server's own token of a login with get, which is given the
// Authorization field. Of several callers at once one gets it for all; one that comes
// when it is there takes it, and when the one who gets it goes away another does. An
// error of get that wraps ErrRefused means that the login is not valid any more: it is
// forgotten.
func (b *Broker) Fetch(ctx context.Context, l *Login, server uint64, get func(ctx context.Context, authorization string) (string, error)) (string, error) {
	b.mu.Lock()
	for {
		if l.authorization == "" || l.gone {
			b.mu.Unlock()
			return "", ErrNoLogin
		}
		if i, ok := l.servers[server]; ok && time.Since(i.used) <= fresh {
			b.mu.Unlock()
			return i.token, nil
		}
		f := l.fetching[server]
		if f == nil {
			break
		}
		b.mu.Unlock()
		select {
		case <-f.done:
			if !f.left {
				return f.token, f.err
			}
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		b.mu.Lock()
	}
	f := &fetch{done: make(chan struct{})}
	if l.fetching == nil {
		l.fetching = make(map[uint64]*fetch)
	}
	l.fetching[server] = f
	b.mu.Unlock()

	f.err = errors.New("the fetch of a token broke off") // unless it comes to its end
	defer func() {
		b.mu.Lock()
		delete(l.fetching, server)
		switch {
		case errors.Is(f.err, ErrRefused):
			b.forget(l)
		case f.err == nil && !l.gone:
			b.issue(time.Now(), l, server, f.token)
		}
		b.mu.Unlock()
		close(f.done)
	}()
	token, err := get(ctx, l.authorization)
	if err == nil && !Valid(token) {
		token, err = "", fmt.Errorf("the server's answer has no token: %w", ErrRefused)
	}
	f.token, f.err, f.left = token, err, err != nil && ctx.Err() != nil
	return token, err
}

// ErrRefused is what get of Fetch returns when the server does not know the login.
var ErrRefused = errors.New("the server refuses the login")

// Refused notes that a server does not know its token any more.
func (b *Broker) Refused(l *Login, server uint64, token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(l, server, token)
}

// Len returns how many tokens are known.
func (b *Broker) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.tokens)
}
