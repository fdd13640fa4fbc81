package oracleexporter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Defaults of a Config.
const (
	// DefaultInterval is the exporter's own suggestion for a scrape interval.
	DefaultInterval = 15 * time.Second
	// DefaultTimeout is the longest that one of the exporter's default queries may take,
	// all of which run at once.
	DefaultTimeout = 10 * time.Second
)

// maxURL bounds a URL, in bytes.
const maxURL = 2 << 10

// Config says which page is read.
type Config struct {
	// URL is the metrics page's, as in http://127.0.0.1:9161/metrics. User and password
	// in it are sent by basic authentication, and are never shown. Required.
	URL string
	// Database names the database on a page of several, see [Parse].
	Database string
	// Interval is from the end of one attempt to the next. Default 15s.
	Interval time.Duration
	// Timeout bounds one attempt as a whole. Default 10s.
	Timeout time.Duration
	// Logger is told when the page can't be read any more, and when it can again.
	// Required.
	Logger *slog.Logger
}

// Validate refuses what cannot work, and says what to write instead.
func (c Config) Validate() error {
	if c.Logger == nil {
		return errors.New("no logger")
	}
	if c.Interval < 0 || c.Timeout < 0 {
		return errors.New("interval and timeout must not be negative")
	}
	_, err := parseURL(c.URL)
	return err
}

// CheckURL refuses what is no URL of a metrics page, and says what to write instead.
// The error does not hold the URL, which may hold a password.
func CheckURL(s string) error {
	_, err := parseURL(s)
	return err
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return nil, errors.New("write the URL of the exporter's metrics page, as in http://127.0.0.1:9161/metrics")
	}
	if u.Path == "" || u.Path == "/" {
		return nil, errors.New("the URL has no path: the exporter's page is /metrics, as in http://127.0.0.1:9161/metrics")
	}
	return u, nil
}

// Reader reads the page again and again. Its methods may be called concurrently.
type Reader struct {
	cfg    Config
	shown  string // the URL without its password
	host   string
	client *http.Client

	mu   sync.Mutex
	page *Page     // the last good one
	read time.Time // when that was
	err  error     // of the last attempt
}

var errNotYet = errors.New("it was not asked yet")

// New makes a Reader; [Reader.Run] makes it read.
func New(cfg Config) (*Reader, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("read Oracle's exporter: %w", err)
	}
	cfg.Interval, cfg.Timeout = cmp.Or(cfg.Interval, DefaultInterval), cmp.Or(cfg.Timeout, DefaultTimeout)
	u, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err // Validate has looked
	}
	return &Reader{
		cfg: cfg, shown: u.Redacted(), host: u.Host, err: errNotYet,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                  nil, // it runs beside the agent
				DialContext:            (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
				DisableCompression:     true,
				MaxResponseHeaderBytes: 64 << 10,
				MaxIdleConns:           1,
				IdleConnTimeout:        time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Run reads the page at once and then at each interval, until ctx ends.
func (r *Reader) Run(ctx context.Context) {
	defer r.client.CloseIdleConnections()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		page, err := r.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		r.note(page, err)
		timer.Reset(r.cfg.Interval)
	}
}

// note keeps what came of an attempt.
func (r *Reader) note(page *Page, err error) {
	r.mu.Lock()
	former := r.err
	if r.err = err; err == nil {
		r.page, r.read = page, time.Now()
	}
	r.mu.Unlock()
	switch {
	case err != nil && (former == nil || former == errNotYet):
		r.cfg.Logger.Warn("Oracle's exporter can't be read", "url", r.shown, "error", err)
	case err == nil && former != nil:
		r.cfg.Logger.Info("Oracle's exporter is read", "url", r.shown, "version", page.Version, "database_up", page.Up)
	}
}

// fetch makes one attempt.
func (r *Reader) fetch(ctx context.Context) (*Page, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.cfg.URL, nil)
	if err != nil {
		return nil, errors.New("the URL can't be asked for") // the error would quote it
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, r.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		hint := ""
		switch resp.StatusCode {
		case http.StatusNotFound:
			hint = ": is the path right?"
		case http.StatusUnauthorized, http.StatusForbidden:
			hint = ": write user and password into the URL, if it asks for them"
		}
		return nil, fmt.Errorf("%s answers %d %s%s", r.host, resp.StatusCode, http.StatusText(resp.StatusCode), hint)
	}
	page, err := Parse(resp.Body, r.cfg.Database)
	if err != nil {
		return nil, r.explain(err)
	}
	return page, nil
}

// explain says in an operator's words why there is no page.
func (r *Reader) explain(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // without the URL
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s sends no whole page within %s", r.host, r.cfg.Timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s: is the exporter running?", r.host)
	case errors.As(err, &dns):
		return fmt.Errorf("the name of %s is not known", r.host)
	}
	// A server that is none quotes itself in net/http's errors.
	return errors.New(cut(strings.TrimPrefix(err.Error(), "net/http: "), maxReason))
}

// Reading is what is known now.
func (r *Reader) Reading() Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Reading{URL: r.shown, ExporterUp: r.err == nil, Page: r.page}
	if r.err != nil {
		out.Reason = cut(r.err.Error(), maxReason)
	}
	if r.page != nil {
		age := time.Since(r.read).Seconds()
		out.AgeSeconds = &age
	}
	return out
}
