package observe

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// failed is a test that notes how it ends.
type failed struct {
	testing.TB
	said string
}

func (f *failed) Helper() {}

func (f *failed) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(f) // as runtime.Goexit would, it leaves the function
}

// run calls f with a test and returns what that failed with, "" if it went on.
func run(f func(t testing.TB)) (said string) {
	t := new(failed)
	defer func() {
		if r := recover(); r != nil && r != any(t) {
			panic(r)
		}
		said = t.said
	}()
	f(t)
	return
}

func TestWaits(t *testing.T) {
	for _, tt := range []struct {
		name  string
		comes time.Duration
		fails bool
	}{
		{"it is so", 0, false},
		{"it comes to be so", Patience - time.Second, false},
		{"it comes too late", Patience + time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for name, wait := range map[string]func(t testing.TB, comes func() bool){
					"Eventually": func(t testing.TB, comes func() bool) { Eventually(t, "it comes", comes) },
					"Succeeds": func(t testing.TB, comes func() bool) {
						Succeeds(t, "it comes", func() error {
							if comes() {
								return nil
							}
							return errors.New("not yet")
						})
					},
				} {
					began := time.Now()
					said := run(func(t testing.TB) {
						wait(t, func() bool { return time.Since(began) >= tt.comes })
					})
					took := time.Since(began)
					switch {
					case (said != "") != tt.fails:
						t.Errorf("%s: after %s it failed with %q", name, took, said)
					case tt.fails && (took < Patience || !strings.Contains(said, "it comes")):
						t.Errorf("%s: after %s it failed with %q", name, took, said)
					case tt.fails && name == "Succeeds" && !strings.Contains(said, "not yet"):
						t.Errorf("the last error is not told: %q", said)
					case !tt.fails && (took < tt.comes || took > tt.comes+pause):
						t.Errorf("%s: it was seen after %s, and came after %s", name, took, tt.comes)
					}
				}
			})
		})
	}
}

func TestBuffer(t *testing.T) {
	const writers, lines = 8, 100
	var b Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range lines {
				log.Info("written")
				_ = b.String()
			}
		})
	}
	wg.Wait()
	if n := strings.Count(b.String(), "msg=written\n"); n != writers*lines {
		t.Errorf("%d lines of %d", n, writers*lines)
	}
	b.Reset()
	if s := b.String(); s != "" {
		t.Errorf("after Reset: %q", s)
	}
}
