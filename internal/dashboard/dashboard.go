package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// statusFile is the name below the page's path that answers with the status.
const statusFile = "status.json"

// DefaultMaxAge is how long a status is good for when Config says nothing.
const DefaultMaxAge = 900 * time.Millisecond

// policy lets the page load what is of its own site, and nobody frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Config says what a page shows.
type Config struct {
	// Path is where the page is: it begins with a slash and does not end with one.
	Path string
	// Status gathers what is shown; it is put into JSON. It is never called twice at
	// the same time.
	Status func() any
	// MaxAge is how long a gathered status is good for. Default: DefaultMaxAge.
	MaxAge time.Duration
}

// Validate reports what is wrong.
func (c Config) Validate() error {
	var errs []error
	if err := CheckPath(c.Path); err != nil {
		errs = append(errs, err)
	}
	if c.Status == nil {
		errs = append(errs, errors.New("there is no function that gathers the status"))
	}
	if c.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("age %s: must not be negative", c.MaxAge))
	}
	return errors.Join(errs...)
}

// CheckPath reports what is wrong with a page's path.
func CheckPath(p string) error {
	if !strings.HasPrefix(p, "/") || len(p) < 2 || path.Clean(p) != p || strings.ContainsAny(p, "?#*%{}") {
		return fmt.Errorf("path %q: must be like /booster, with a slash before it and none after it", p)
	}
	return nil
}

// Page is the status page. Its methods may be called concurrently.
type Page struct {
	path   string
	status func() any
	maxAge time.Duration

	mu    sync.Mutex
	at    time.Time // when body was gathered
	body  []byte
	etag  string
	files map[string]file
}

type file struct {
	body []byte
	etag string
}

// New makes a page.
func New(cfg Config) (*Page, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	p := &Page{path: cfg.Path, status: cfg.Status, maxAge: cfg.MaxAge, files: make(map[string]file)}
	if p.maxAge == 0 {
		p.maxAge = DefaultMaxAge
	}
	entries, err := fs.ReadDir(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	for _, e := range entries {
		body, err := assets.ReadFile("assets/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("status page: %w", err)
		}
		p.files[e.Name()] = file{body: body, etag: etag(body)}
	}
	return p, nil
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// Has reports whether a request's path is the page's.
func (p *Page) Has(urlPath string) bool {
	return urlPath == p.path || strings.HasPrefix(urlPath, p.path+"/")
}

// ServeHTTP answers a request whose path the page has.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the status page is only read: use GET", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == p.path { // what the page asks for is relative to the folder
		w.Header().Set("Location", path.Base(p.path)+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, p.path+"/")
	if name == statusFile {
		body, tag, err := p.current()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		send(w, r, statusFile, body, tag)
		return
	}
	if name == "" {
		name = "index.html"
	}
	f, ok := p.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	send(w, r, name, f.body, f.etag)
}

func send(w http.ResponseWriter, r *http.Request, name string, body []byte, tag string) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache") // kept, and asked for again each time
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("ETag", tag)
	h.Set("Content-Type", map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".json": "application/json",
	}[path.Ext(name)])
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body)) // compares the ETag
}

// current returns the status, gathered anew when the last one is too old.
func (p *Page) current() (body []byte, tag string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.body != nil && time.Since(p.at) < p.maxAge {
		return p.body, p.etag, nil
	}
	if body, err = json.Marshal(p.status()); err != nil {
		return nil, "", fmt.Errorf("status page: %w", err)
	}
	p.at, p.body, p.etag = time.Now(), body, etag(body)
	return p.body, p.etag, nil
}
