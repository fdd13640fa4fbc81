package dashboard

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newPage(t *testing.T, cfg Config) *Page {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = "/booster"
	}
	if cfg.Status == nil {
		cfg.Status = func() any { return map[string]string{"node": "b1"} }
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(p *Page, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

func TestServe(t *testing.T) {
	p := newPage(t, Config{Path: "/in/booster"})
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/in/booster/":                {200, "text/html; charset=utf-8"},
		"/in/booster/app.js":          {200, "text/javascript; charset=utf-8"},
		"/in/booster/style.css":       {200, "text/css; charset=utf-8"},
		"/in/booster/texts.json":      {200, "application/json"},
		"/in/booster/status.json":     {200, "application/json"},
		"/in/booster/../dashboard.go": {404, "text/plain; charset=utf-8"},
		"/in/booster/nothing":         {404, "text/plain; charset=utf-8"},
	} {
		a := get(p, http.MethodGet, path)
		if a.StatusCode != want.status || a.Header.Get("Content-Type") != want.kind {
			t.Errorf("%s: %d %s, want %v", path, a.StatusCode, a.Header.Get("Content-Type"), want)
		}
		if a.StatusCode == 200 && !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s has no Content-Security-Policy", path)
		}
	}
	if a := get(p, http.MethodGet, "/in/booster"); a.StatusCode != http.StatusPermanentRedirect || a.Header.Get("Location") != "booster/" {
		t.Errorf("without the slash: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	if a := get(p, http.MethodPost, "/in/booster/status.json"); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", a.StatusCode)
	}
}

func TestHas(t *testing.T) {
	p := newPage(t, Config{})
	for path, want := range map[string]bool{"/booster": true, "/booster/": true, "/booster/x": true, "/boosters": false, "/": false, "/a/booster": false} {
		if got := p.Has(path); got != want {
			t.Errorf("Has(%q) = %t", path, got)
		}
	}
}

// However many pages are open, the status is gathered once in MaxAge.
func TestGatheredOnce(t *testing.T) {
	var n, at atomic.Int32
	p := newPage(t, Config{MaxAge: time.Hour, Status: func() any {
		if at.Add(1) > 1 {
			t.Error("gathered twice at the same time")
		}
		defer at.Add(-1)
		return n.Add(1)
	}})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { get(p, http.MethodGet, "/booster/status.json") })
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("gathered %d times", n.Load())
	}
	p.at = p.at.Add(-time.Hour)
	get(p, http.MethodGet, "/booster/status.json")
	if n.Load() != 2 {
		t.Errorf("after MaxAge: gathered %d times", n.Load())
	}
}

func TestUnchanged(t *testing.T) {
	var node atomic.Value
	node.Store("b1")
	p := newPage(t, Config{MaxAge: time.Nanosecond, Status: func() any { return node.Load() }})
	tag := get(p, http.MethodGet, "/booster/status.json").Header.Get("ETag")
	if a := get(p, http.MethodGet, "/booster/status.json", "If-None-Match", tag); a.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", a.StatusCode)
	}
	node.Store("b2")
	if a := get(p, http.MethodGet, "/booster/status.json", "If-None-Match", tag); a.StatusCode != http.StatusOK {
		t.Errorf("changed: %d", a.StatusCode)
	}
}

func TestStatusThatIsNoJSON(t *testing.T) {
	p := newPage(t, Config{Status: func() any { return func() {} }})
	if a := get(p, http.MethodGet, "/booster/status.json"); a.StatusCode != http.StatusInternalServerError {
		t.Errorf("%d", a.StatusCode)
	}
}

func TestCheckPath(t *testing.T) {
	for path, ok := range map[string]bool{
		"/booster": true, "/a/b": true,
		"": false, "/": false, "booster": false, "/booster/": false, "/a//b": false, "/a/../b": false, "/a*": false, "/{x}": false,
	} {
		if err := CheckPath(path); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := New(Config{Path: "/x", MaxAge: -1}); err == nil {
		t.Error("a page without a status and with a negative age was made")
	}
}

// Each language has the texts that the page uses, with the same places to fill.
func TestTexts(t *testing.T) {
	body, err := assets.ReadFile("assets/texts.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]map[string]string
	if err := json.Unmarshal(body, &texts); err != nil {
		t.Fatal(err)
	}
	script, err := assets.ReadFile("assets/app.js")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"name": true, "old": true, "fresh": true} // those two are chosen by a condition
	for _, m := range regexp.MustCompile(`\bt\("([a-zA-Z.]+)"`).FindAllSubmatch(script, -1) {
		if key := string(m[1]); key != "s." {
			used[key] = true
		}
	}
	place := regexp.MustCompile(`\{\d\}`)
	for lang, of := range texts {
		for key := range used {
			if of[key] == "" {
				t.Errorf("%s has no text for %q", lang, key)
			}
		}
		for key, text := range of {
			if !used[key] && !strings.HasPrefix(key, "s.") {
				t.Errorf("%s: nothing uses %q", lang, key)
			}
			want, got := place.FindAllString(texts["en"][key], -1), place.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s: %q has places %v, English has %v", lang, key, got, want)
			}
		}
		if got, want := slices.Sorted(maps.Keys(of)), slices.Sorted(maps.Keys(texts["en"])); !slices.Equal(got, want) {
			t.Errorf("%s has keys %v, English has %v", lang, got, want)
		}
	}
}

// The page never makes markup of what it is told.
func TestNoMarkup(t *testing.T) {
	script, err := assets.ReadFile("assets/app.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(string(script), bad) {
			t.Errorf("app.js uses %s", bad)
		}
	}
}

// What the page works out is tested by Node.js, where there is one.
func TestModel(t *testing.T) {
	node, err := exec.LookPath("node")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no Node.js here")
	}
	cmd := exec.CommandContext(t.Context(), node, "--test", "testdata/model.test.mjs")
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
