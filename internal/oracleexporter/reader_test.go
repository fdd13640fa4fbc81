package oracleexporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// exporter is a fake one, whose answer a test changes.
type exporter struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
}

func newExporter(t *testing.T) *exporter {
	e := &exporter{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*e.answer.Load())(w, r) }))
	t.Cleanup(e.Close)
	return e
}

func (e *exporter) set(f http.HandlerFunc) { e.answer.Store(&f) }

func (e *exporter) page(text string) {
	e.set(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
}

// run starts a Reader that ends with the test.
func run(t *testing.T, cfg Config) *Reader {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

// eventually waits until the Reading is as wanted.
func eventually(t *testing.T, r *Reader, what string, ok func(Reading) bool) Reading {
	t.Helper()
	var last Reading
	observe.Succeeds(t, what, func() error {
		if last = r.Reading(); !ok(last) {
			return fmt.Errorf("it is %+v", last)
		}
		return nil
	})
	return last
}

// TestReader: what an exporter may do to who reads it.
func TestReader(t *testing.T) {
	e := newExporter(t)
	e.page(page(t, "two_instances.txt"))
	var log observe.Buffer
	r := run(t, Config{
		URL: strings.Replace(e.URL, "http://", "http://reader:s3cret@", 1) + "/metrics", Interval: 5 * time.Millisecond, Timeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	good := eventually(t, r, "a good page", func(r Reading) bool { return r.ExporterUp })
	if !good.DatabaseUp() || good.Page.Sessions[0].Count != 5 || good.Reason != "" || *good.AgeSeconds > 5 {
		t.Errorf("%+v", good)
	}
	stop := make(chan struct{})
	defer close(stop)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, "answers 500 Internal Server Error"},
		{"sign in", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, "answers 401"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/metrics", http.StatusFound)
		}, "answers 302"},
		{"garbage", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte{0, 0xff, '\n', 7}, 9000))
		}, "no oracledb_up"},
		{"100 MB", func(w http.ResponseWriter, _ *http.Request) {
			line := []byte("oracledb_other{a=\"" + strings.Repeat("x", maxLine/2) + "\"} 1\n") // long ones are quicker
			for range 100 << 20 / len(line) {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, "longer than 8 MB"},
		{"slow drip", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("# drip\n"))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(10 * time.Millisecond):
				case <-stop:
					return
				}
			}
		}, "no whole page within 1s"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		}, "no whole page within 1s"},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("oracledb_up 1\n"))
		}, "unexpected EOF"},
		{"database down", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("oracledb_up 0\n")) }, ""},
	} {
		e.set(tt.answer)
		got := eventually(t, r, tt.name, func(r Reading) bool {
			if tt.want == "" {
				return r.ExporterUp && !r.DatabaseUp()
			}
			return !r.ExporterUp && strings.Contains(r.Reason, tt.want)
		})
		if tt.want != "" && (got.Page == nil || !got.Page.Up || got.DatabaseUp()) {
			t.Errorf("%s: the last good page is lost or counts as new: %+v", tt.name, got)
		}
	}
	e.Close()
	gone := eventually(t, r, "it died", func(r Reading) bool { return strings.Contains(r.Reason, "nothing answers at 127.0.0.1") })
	later := eventually(t, r, "age", func(r Reading) bool { return *r.AgeSeconds > *gone.AgeSeconds })
	if later.Page == nil || later.ExporterUp {
		t.Errorf("%+v", later)
	}
	// The log is written after the reading has changed.
	eventually(t, r, "two lines in the log", func(Reading) bool { return strings.Count(log.String(), "can't be read") >= 2 })
	for _, text := range []string{log.String(), gone.URL, gone.Reason} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("the password shows in %q", text)
		}
	}
	if n := strings.Count(log.String(), "can't be read"); n != 2 {
		t.Errorf("told %d times that it can't be read, want 2:\n%s", n, log.String())
	}
}

// TestNotHTTP: what listens there is something else.
func TestNotHTTP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2p1\x1b[2J\r\n"))
			_ = c.Close()
		}
	})
	r := run(t, Config{URL: "http://" + l.Addr().String() + "/metrics", Interval: time.Millisecond})
	got := eventually(t, r, "an answer", func(r Reading) bool { return r.Reason != errNotYet.Error() })
	if got.ExporterUp || got.Page != nil || got.AgeSeconds != nil || strings.ContainsAny(got.Reason, "\x1b\n") || got.Reason == "" {
		t.Errorf("%+v", got)
	}
}

// TestInterval: attempts come at their time, after good ones and bad ones.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Config{URL: "http://exporter:9161/metrics", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var attempts []time.Duration
		start := time.Now()
		r.client.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			attempts = append(attempts, time.Since(start))
			if len(attempts) == 2 {
				<-req.Context().Done() // until its time is over
				return nil, req.Context().Err()
			}
			rec := httptest.NewRecorder()
			rec.WriteString("oracledb_up 1\n")
			return rec.Result(), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		cancel()
		<-done
		want := []time.Duration{0, 15 * time.Second, 40 * time.Second, 55 * time.Second}
		if len(attempts) != len(want) {
			t.Fatalf("attempts at %v, want %v", attempts, want)
		}
		for i := range want {
			if attempts[i] != want[i] {
				t.Errorf("attempts at %v, want %v", attempts, want)
			}
		}
		if age := *r.Reading().AgeSeconds; age != 5 {
			t.Errorf("the page is %v s old, want 5", age)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConfig(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, u := range []string{"", "127.0.0.1:9161/metrics", "ftp://h/metrics", "http:///metrics", "http://h:9161", "http://h:9161/", "http://h/metrics#x", "http://h/%zz", "http://h/" + strings.Repeat("x", maxURL)} {
		err := (Config{URL: u, Logger: log}).Validate()
		if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:9161/metrics") {
			t.Errorf("%.80q: %v", u, err)
		}
	}
	for _, c := range []Config{{URL: "http://h/metrics"}, {URL: "http://h/metrics", Logger: log, Timeout: -1}, {URL: "http://h/metrics", Logger: log, Interval: -1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestAsk(t *testing.T) {
	e := newExporter(t)
	e.page(page(t, "two_instances.txt"))
	r := run(t, Config{URL: e.URL + "/metrics", Interval: time.Hour})
	eventually(t, r, "a good page", func(r Reading) bool { return r.ExporterUp })
	var h http.Handler = r
	do := func(_ context.Context, member string, req *http.Request) (*http.Response, error) {
		if member != "s1" || req.URL.Path != Path {
			t.Errorf("%s is asked for %s", member, req.URL)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec.Result(), nil
	}
	got, err := Ask(t.Context(), do, "s1")
	if err != nil || !got.DatabaseUp() || len(got.Page.Tablespaces) != 5 || got.Page.Version != "2.4.2" || *got.AgeSeconds < 0 {
		t.Errorf("%+v, %v", got, err)
	}
	answer := func(code int, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
		})
	}
	h = http.NotFoundHandler()
	if _, err := Ask(t.Context(), do, "s1"); !errors.Is(err, ErrNone) {
		t.Errorf("%v, want ErrNone", err)
	}
	for _, h2 := range []http.Handler{
		answer(500, ""), answer(200, "{"), answer(200, strings.Repeat(" ", maxReading+1)),
		answer(200, `{"exporter_up":true}`), answer(200, `{"age_seconds":1}`), answer(200, `{"age_seconds":-1,"page":{}}`),
	} {
		h = h2
		if got, err := Ask(t.Context(), do, "s1"); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	body := &endless{line: []byte("          ")}
	if _, err := Ask(t.Context(), func(context.Context, string, *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
	}, "s1"); err == nil || body.read > 2*maxReading {
		t.Errorf("an answer without an end: %v, %d bytes were read", err, body.read)
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, Path, nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", rec.Code)
	}
}

// TestLargest: the largest reading fits into its bound.
func TestLargest(t *testing.T) {
	name := func(i int) string {
		return strings.Repeat("<", maxText-3) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + "x"
	}
	p := &Page{}
	for i := range maxTablespaces {
		p.Tablespaces = append(p.Tablespaces, Tablespace{name(i), name(i), 1.7976931348623157e+308, 1.7976931348623157e+308})
	}
	for i := range maxWaits {
		p.Waits = append(p.Waits, Wait{name(i), 1.7976931348623157e+308})
		p.Sessions = append(p.Sessions, Sessions{name(i), name(i), 1.7976931348623157e+308})
	}
	r := &Reader{page: p, shown: strings.Repeat("<", maxURL), read: time.Now()}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, Path, nil))
	if n := rec.Body.Len(); n > maxReading || n < 100_000 {
		t.Errorf("%d bytes", n)
	}
	got, err := decode(rec.Body.Bytes())
	if err != nil || len(got.Page.Tablespaces) != maxTablespaces || len(got.Page.Sessions) != maxSessions {
		t.Errorf("%v", err)
	}
}

func TestLate(t *testing.T) {
	age := 2.0
	was := Reading{ExporterUp: true, AgeSeconds: &age, Page: &Page{Up: true}}
	late := was.Late(3*time.Second, errors.New("the agent does not answer"))
	if late.ExporterUp || late.DatabaseUp() || *late.AgeSeconds != 5 || late.Reason != "the agent does not answer" || age != 2 {
		t.Errorf("%+v, was %v", late, age)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"url":"http://h/metrics","exporter_up":true,"age_seconds":1.5,"page":{"up":true,"sessions":[{"status":"ACTIVE","type":"USER","count":2}],"waits":[{"class":"commit","seconds":1}],"tablespaces":[{"name":"USERS","type":"PERMANENT","used_bytes":1,"max_bytes":2}]}}`))
	f.Add([]byte(`{"reason":"x","age_seconds":null,"page":null}`))
	f.Add([]byte(`{"age_seconds":1,"page":{"sessions":[{"status":"A\n"},{"status":"A\n","count":-1}],"waits":[{"class":"c"},{"class":"c"}],"tablespaces":[{"name":"\u001b"},{"name":"\u001b"}],"more_tablespaces":-1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		if r.Page != nil {
			sound(t, r.Page)
		}
		if strings.ContainsAny(r.URL+r.Reason, "\n\x1b") {
			t.Errorf("not plain: %q, %q", r.URL, r.Reason)
		}
	})
}
