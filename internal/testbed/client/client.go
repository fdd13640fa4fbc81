// Package client drives OMFLOW as its users do: a browser with a session, and a
// program with a REST token. It talks to a stand-in, to a real OMFLOW Server or
// to a front door alike.
//
// A [Client] is one browser or one program: it has its own cookies, and one
// request at a time is what a browser would do, though several goroutines may
// share it. Every call returns an [Answer], which keeps the HTTP code and OMFLOW's
// own status apart, because OMFLOW answers HTTP 200 to almost anything. An error
// means that there was no answer that could be understood; whether the request was
// carried out is then unknown. Nothing is ever sent twice by this package, except
// that net/http itself repeats a GET or a POST of which nothing was sent yet.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Config says whom to talk to.
type Config struct {
	// URL is the server or front door, without a path. Required.
	URL string
	// User and Password sign in. Required for what needs them.
	User, Password string
	// Language is sent as Accept-Language. Default en.
	Language string
	// Timeout bounds a request from its start to the last byte. Default 60s.
	Timeout time.Duration
	// Transport sends the requests. Default: an own http.Transport, so that each
	// client has its own connections.
	Transport http.RoundTripper
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("parsing the server's URL: %w", err)
	}
	if u.Scheme == "" || u.Host == "" || strings.TrimSuffix(u.Path, "/") != "" {
		return fmt.Errorf("%q is not a URL of scheme and host", c.URL)
	}
	if c.Timeout < 0 {
		return errors.New("the timeout can't be negative")
	}
	return nil
}

// Client is one browser or one program.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New returns a client that is not signed in.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Language == "" {
		cfg.Language = "en"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	base, err := url.Parse(strings.TrimSuffix(cfg.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("parsing the server's URL: %w", err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	c := &Client{cfg: cfg, base: base}
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: 64}
	}
	c.http = &http.Client{
		Transport: transport, Jar: jar, Timeout: cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close ends the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answer is what came back.
type Answer struct {
	// Code is the HTTP status.
	Code int
	// Header is the answer's header.
	Header http.Header
	// Body is the whole body.
	Body []byte
	// Status, Message and Result are OMFLOW's, when the body is its JSON.
	// Otherwise Status is 0.
	Status  int
	Message string
	Result  json.RawMessage
}

// OK tells whether OMFLOW did what was asked for. A create with the result null
// is not OK: the ticket does not exist.
func (a Answer) OK() bool { return a.Code == http.StatusOK && a.Status == http.StatusOK }

// LoggedOut tells whether the answer sends the browser to the login page.
func (a Answer) LoggedOut() bool {
	return a.Code == http.StatusFound && strings.HasPrefix(a.Header.Get("Location"), "/accounts/login/")
}

// Number returns the result when it is an integer, as a ticket's number is.
func (a Answer) Number() (int, bool) {
	var n *int
	if json.Unmarshal(a.Result, &n) != nil || n == nil {
		return 0, false
	}
	return *n, true
}

// Server is the name of the stand-in that answered, if one did.
func (a Answer) Server() string { return a.Header.Get("X-Stand-In") }

// Do sends a request and reads the answer. Cookies are the client's.
func (c *Client) Do(req *http.Request) (Answer, error) {
	req.Header.Set("Accept-Language", c.cfg.Language)
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("asking the server: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	a := Answer{Code: resp.StatusCode, Header: resp.Header, Body: body}
	var om struct {
		Status  int             `json:"status"`
		Message string          `json:"message"`
		Result  json.RawMessage `json:"result"`
	}
	if json.Unmarshal(body, &om) == nil {
		a.Status, a.Message, a.Result = om.Status, om.Message, om.Result
	}
	return a, nil
}

// Get fetches a page.
func (c *Client) Get(ctx context.Context, path string) (Answer, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return Answer{}, err
	}
	return c.Do(req)
}

// getBody is a GET with a JSON body, which OMFLOW's health URL wants.
func (c *Client) getBody(ctx context.Context, path, body string) (Answer, error) {
	req, err := c.request(ctx, http.MethodGet, path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.Do(req)
}

// Post sends JSON as the pages do, with the CSRF token.
func (c *Client) Post(ctx context.Context, path string, v any) (Answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Answer{}, fmt.Errorf("encoding the request: %w", err)
	}
	req, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.Do(req)
}

// File is an attachment.
type File struct {
	Name string
	Data []byte
}

// PostFiles sends a multipart form as the pages do.
func (c *Client) PostFiles(ctx context.Context, path string, fields map[string]string, files ...File) (Answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for k, v := range fields {
		form.WriteField(k, v) // a bytes.Buffer takes everything
	}
	for _, f := range files {
		part, err := form.CreateFormFile("files", f.Name)
		if err != nil {
			return Answer{}, fmt.Errorf("writing the form: %w", err)
		}
		part.Write(f.Data)
	}
	if err := form.Close(); err != nil {
		return Answer{}, fmt.Errorf("writing the form: %w", err)
	}
	req, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(body.Bytes()))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return c.Do(req)
}

// Cookie returns the value of a cookie that the client has, or nothing.
func (c *Client) Cookie(name string) string {
	for _, k := range c.http.Jar.Cookies(c.base) {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// SetCookie gives the client a cookie, as if the server had set it: a browser
// that is sent to another server keeps its session so.
func (c *Client) SetCookie(name, value string) {
	c.http.Jar.SetCookies(c.base, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if token := c.Cookie("csrftoken"); token != "" && method != http.MethodGet {
		req.Header.Set("X-CSRFToken", token)
	}
	return req, nil
}
