package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

const basic = "Basic YWRtaW46YWRtaW4="

func uuid(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

func lookup(t *testing.T, b *Broker, now time.Time, token string) *Login {
	t.Helper()
	l, ok := b.Lookup(now, []byte(token))
	if !ok {
		t.Fatalf("token %s is not known", token)
	}
	return l
}

func TestOneTokenStandsForTheLogin(t *testing.T) {
	var b Broker
	b.Learn(start, 1, basic, tokenA)
	l := lookup(t, &b, start, tokenA)
	if got, ok := b.For(start, l, 1); !ok || got != tokenA {
		t.Errorf("server 1's own token is %q, %v", got, ok)
	}
	if _, ok := b.For(start, l, 2); ok {
		t.Error("server 2 has a token that nobody fetched")
	}
	got, err := b.Fetch(t.Context(), l, 2, func(_ context.Context, authorization string) (string, error) {
		if authorization != basic {
			t.Errorf("asked with %q", authorization)
		}
		return tokenB, nil
	})
	if err != nil || got != tokenB {
		t.Fatalf("Fetch = %q, %v", got, err)
	}
	// Either token stands for the same login from now on.
	for _, token := range []string{tokenA, tokenB} {
		l := lookup(t, &b, start, token)
		for server, want := range map[uint64]string{1: tokenA, 2: tokenB} {
			if got, ok := b.For(start, l, server); !ok || got != want {
				t.Errorf("with %s: server %d's own token is %q, %v", token, server, got, ok)
			}
		}
	}
}

func TestServerThatForgot(t *testing.T) {
	var b Broker
	b.Learn(start, 1, basic, tokenA)
	l := lookup(t, &b, start, tokenA)
	b.Refused(l, 1, tokenB) // another one than it has now
	if _, ok := b.For(start, l, 1); !ok {
		t.Error("a late refusal of an older token took the newer one away")
	}
	b.Refused(l, 1, tokenA)
	if _, ok := b.For(start, l, 1); ok {
		t.Error("a token that its server refused is still used")
	}
	// The client goes on with what it has.
	if lookup(t, &b, start, tokenA) != l {
		t.Error("the client's token does not stand for its login any more")
	}
}

func TestTokensExpire(t *testing.T) {
	var b Broker
	b.Learn(start, 1, basic, tokenA)
	now := start
	for range 10 { // used all the time, but not on server 1
		now = now.Add(time.Minute)
		lookup(t, &b, now, tokenA)
	}
	l := lookup(t, &b, now, tokenA)
	if _, ok := b.For(now, l, 1); ok {
		t.Error("a token that its server has forgotten by now is used")
	}
	if _, ok := b.Lookup(now.Add(lifetime+time.Second), []byte(tokenA)); ok {
		t.Error("a token that rested for five minutes is still good")
	}
	b.Learn(now.Add(2*lifetime), 1, "Basic x", tokenB)
	if n := b.Len(); n != 1 {
		t.Errorf("%d tokens are kept, want the new one alone", n)
	}
	if b.logins[basic] != nil {
		t.Error("a login outlived its tokens")
	}
}

// Nothing of a login stays in memory when nobody uses the broker any more.
func TestLoginsAreForgottenInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Broker
		b.Learn(time.Now(), 1, basic, tokenA)
		time.Sleep(lifetime)
		if n := b.Len(); n != 1 {
			t.Errorf("%d tokens are known after five minutes, want 1", n)
		}
		time.Sleep(2 * sweepEvery)
		if n := b.Len(); n != 0 || len(b.logins) != 0 {
			t.Errorf("%d tokens and %d logins are kept", n, len(b.logins))
		}
		b.Learn(time.Now(), 1, basic, tokenA) // and again
		time.Sleep(lifetime + 2*sweepEvery)
		if n := b.Len(); n != 0 {
			t.Errorf("%d tokens are kept the second time", n)
		}
	})
}

func TestFetchOnceForAll(t *testing.T) {
	var b Broker
	b.Learn(start, 1, basic, tokenA)
	l := lookup(t, &b, start, tokenA)
	var asked atomic.Int32
	release := make(chan struct{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := b.Fetch(t.Context(), l, 2, func(context.Context, string) (string, error) {
				asked.Add(1)
				<-release
				return tokenB, nil
			})
			if err != nil || got != tokenB {
				t.Errorf("Fetch = %q, %v", got, err)
			}
		})
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond) // until one of them has begun
	}
	close(release)
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

// When the client goes away for which a token is fetched, those that wait for it, too,
// do not lose it.
func TestFetchGoesOnWithoutTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Broker
		b.Learn(time.Now(), 1, basic, tokenA)
		l := lookup(t, &b, time.Now(), tokenA)
		first, leave := context.WithCancel(t.Context())
		go b.Fetch(first, l, 2, func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		})
		synctest.Wait()
		got := make(chan string, 2)
		for range cap(got) {
			go func() {
				token, err := b.Fetch(t.Context(), l, 2, func(context.Context, string) (string, error) { return tokenB, nil })
				if err != nil {
					t.Error(err)
				}
				got <- token
			}()
		}
		synctest.Wait()
		leave()
		for range cap(got) {
			if token := <-got; token != tokenB {
				t.Errorf("Fetch = %q", token)
			}
		}
		time.Sleep(lifetime + 2*sweepEvery) // until nothing is kept
	})
}

// Tokens that were fetched and replaced do not gather while their login is used.
func TestReplacedTokensAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Broker
		b.Learn(time.Now(), 1, basic, tokenA)
		for n := range 100 {
			time.Sleep(4 * time.Minute)
			l := lookup(t, &b, time.Now(), tokenA)
			fetched := fmt.Sprintf("00000000-0000-0000-0000-%012d", n)
			b.Refused(l, 2, fmt.Sprintf("00000000-0000-0000-0000-%012d", n-1))
			if got, err := b.Fetch(t.Context(), l, 2, func(context.Context, string) (string, error) { return fetched, nil }); err != nil || got != fetched {
				t.Fatalf("Fetch = %q, %v", got, err)
			}
		}
		if n := b.Len(); n > 4 {
			t.Errorf("%d tokens are kept", n)
		}
		lookup(t, &b, time.Now(), tokenA) // the client's own is
		time.Sleep(lifetime + 2*sweepEvery)
	})
}

func TestFetchFails(t *testing.T) {
	down := errors.New("connection refused")
	for name, test := range map[string]struct {
		token string
		err   error
		kept  bool
	}{
		"the server is down":         {err: down, kept: true},
		"the password was changed":   {err: fmt.Errorf("status 403: %w", ErrRefused)},
		"the answer is not a token":  {token: "nonsense"},
		"the answer has no token":    {},
		"nobody waits for it longer": {err: context.Canceled, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			var b Broker
			b.Learn(start, 1, basic, tokenA)
			l := lookup(t, &b, start, tokenA)
			if _, err := b.Fetch(t.Context(), l, 2, func(context.Context, string) (string, error) { return test.token, test.err }); err == nil {
				t.Error("no error")
			}
			if _, ok := b.Lookup(start, []byte(tokenA)); ok != test.kept {
				t.Errorf("the login is kept: %v, want %v", ok, test.kept)
			}
		})
	}
}

func TestAdopted(t *testing.T) {
	var b Broker
	b.Adopt(start, 7, tokenA)
	l := lookup(t, &b, start, tokenA)
	if home, ok := b.Home(l); !ok || home != 7 {
		t.Errorf("Home = %d, %v", home, ok)
	}
	if _, err := b.Fetch(t.Context(), l, 1, nil); !errors.Is(err, ErrNoLogin) {
		t.Errorf("Fetch = %v, want ErrNoLogin", err)
	}
	b.Learn(start, 7, basic, tokenA) // its client asked again, and got the same
	l = lookup(t, &b, start, tokenA)
	if _, ok := b.Home(l); ok {
		t.Error("a token whose login is known is still held to one server")
	}
	b.Adopt(start, 8, tokenA) // a known one is left alone
	if got := lookup(t, &b, start, tokenA); got != l {
		t.Error("Adopt replaced a login")
	}
}

func TestStrangersBytes(t *testing.T) {
	// In a bubble the broker's own sweep, by the clock, does not come in between.
	synctest.Test(t, func(t *testing.T) {
		var b Broker
		b.Learn(start, 1, basic, "short")
		b.Learn(start, 1, "", tokenA)
		b.Learn(start, 1, strings.Repeat("x", maxLogin+1), tokenA)
		b.Adopt(start, 1, "nonsense")
		if n := b.Len(); n != 0 {
			t.Errorf("%d tokens were taken", n)
		}
		for i := range maxLogins + 50 {
			b.Learn(start.Add(time.Duration(i)), 1, fmt.Sprint("Basic ", i), uuid(i))
		}
		if n := b.Len(); n != maxLogins {
			t.Errorf("%d tokens are kept, want %d", n, maxLogins)
		}
		if _, ok := b.Lookup(start, []byte(uuid(0))); ok {
			t.Error("the oldest was not the one to make way")
		}
	})
}

func TestNothingPrintsALogin(t *testing.T) {
	var b Broker
	b.Learn(start, 1, basic, tokenA)
	l := lookup(t, &b, start, tokenA)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, l); strings.Contains(s, "YWRt") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func BenchmarkFindAndLookup(b *testing.B) {
	var broker Broker
	broker.Learn(time.Now(), 1, basic, tokenA)
	body := []byte(`{"security":"` + tokenA + `","omflow_restapi":true,"action":"create","formdata":[` + strings.Repeat(`{"id":"FORMITM_1","type":"h_title","value":"t"},`, 18) + `{}]}`)
	b.ReportAllocs()
	for b.Loop() {
		at, ok := Find(body, "application/json", "security")
		if !ok {
			b.Fatal("not found")
		}
		l, _ := broker.Lookup(time.Now(), body[at:at+Length])
		broker.For(time.Now(), l, 1)
	}
}
