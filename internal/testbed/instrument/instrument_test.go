package instrument

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// noDoor is a server without a listener.
type noDoor struct{}

func (noDoor) Open() error { return nil }
func (noDoor) Shut()       {}

func TestMemoryIsBounded(t *testing.T) {
	in := New(Config{Door: noDoor{}, Done: make(chan struct{}), Logger: slog.New(slog.DiscardHandler)})
	for i := range MaxKeys + 10 {
		in.CountCreate(fmt.Sprint(i), false)
	}
	s := in.Stats()
	if len(s.Created) != MaxKeys+1 || s.Created[Other] != 10 {
		t.Errorf("%d titles, %d counted together", len(s.Created), s.Created[Other])
	}
	in.Reset()
	in.CountCreate(strings.Repeat("x", 1000), false)
	for title := range in.Stats().Created {
		if len(title) != MaxKey {
			t.Errorf("a title of %d bytes is kept", len(title))
		}
	}
}

func TestHealthIsNoLoad(t *testing.T) {
	in := New(Config{Health: []string{"/health"}, Door: noDoor{}, Done: make(chan struct{}), Logger: slog.New(slog.DiscardHandler)})
	next := func(http.ResponseWriter, *http.Request, float64) {}
	for _, path := range []string{"/health", "/a", "/a"} {
		in.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil), next)
	}
	if s := in.Stats(); s.Requests != 2 || s.MaxInFlight != 1 || s.InFlight != 0 || s.ByURL["GET /health"] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestFaultEndsAfterTimes(t *testing.T) {
	in := New(Config{Door: noDoor{}, Done: make(chan struct{}), Logger: slog.New(slog.DiscardHandler)})
	if err := in.Inject(Fault{Kind: Slow, Factor: 3, Times: 2, Path: "/a"}); err != nil {
		t.Fatal(err)
	}
	var factors []float64
	next := func(_ http.ResponseWriter, _ *http.Request, f float64) { factors = append(factors, f) }
	for _, path := range []string{"/b", "/a", "/a/b", "/a"} {
		in.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil), next)
	}
	if fmt.Sprint(factors) != "[1 3 3 1]" {
		t.Errorf("factors %v", factors)
	}
}

func FuzzDecodeFault(f *testing.F) {
	f.Add(`{"kind":"slow","factor":2,"seconds":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		if fault, err := decodeFault(strings.NewReader(body)); err == nil && fault.Validate() != nil {
			t.Errorf("%q gave a fault that is none: %+v", body, fault)
		}
	})
}
