package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/ports"
)

// commandEnv makes the test binary the program, so that commands can be run with
// their exit codes.
const commandEnv = "OMFLOW_BOOSTER_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandEnv) != "" {
		os.Args[0] = "booster"
		caddycmd.Main()
		return
	}
	code := m.Run()
	if code == 0 {
		if err := nothingLeft(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}

// nothingLeft reports goroutines of ours and references that outlived Caddy's
// configurations. Caddy's own admin endpoint goes on after Stop.
func nothingLeft() error {
	var left []string
	deadline := time.Now().Add(observe.Patience)
	for {
		left = nil
		buf := make([]byte, 4<<20)
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, modulePath+"/") && !strings.Contains(stack, "TestMain") {
				left = append(left, stack)
			}
		}
		for _, pool := range []*caddy.UsagePool{pools, nodes} {
			pool.Range(func(key, _ any) bool {
				left = append(left, fmt.Sprintf("a reference to %v", key))
				return true
			})
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("left at the end:\n%s", strings.Join(left, "\n\n"))
		}
		runtime.Gosched()
	}
}

// origin is a server behind the front door. It answers with its name, says in
// header fields what it was sent, and keeps requests to /slow until release.
type origin struct {
	*httptest.Server
	name    string
	address string
	slow    atomic.Int64 // requests to /slow that have come
	release chan struct{}
}

func newOrigin(t *testing.T, name string) *origin {
	t.Helper()
	o := &origin{name: name, release: make(chan struct{})}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			o.slow.Add(1)
			select {
			case <-o.release:
			case <-r.Context().Done():
			}
		}
		for _, field := range []string{"X-Up", "X-Forwarded-For", "X-Forwarded-Proto", "Cookie"} {
			w.Header().Set("Got-"+field, r.Header.Get(field))
		}
		w.Header().Set("Got-Host", r.Host)
		w.Header().Set("X-Down", "origin")
		fmt.Fprint(w, o.name)
	}))
	o.address = o.Listener.Addr().String()
	t.Cleanup(o.Close)
	return o
}

// caddyBed is Caddy in this process.
type caddyBed struct {
	t     *testing.T
	admin string
	site  string
	state string
	jar   http.CookieJar
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func newBed(t *testing.T) *caddyBed {
	t.Helper()
	b := &caddyBed{t: t, admin: freeAddress(t), site: freeAddress(t), state: t.TempDir()}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// globals are the options that all tests need; more may be added.
func (b *caddyBed) globals(more string) string {
	return fmt.Sprintf("{\nadmin %s\npersist_config off\nauto_https off\nlog {\noutput discard\n}\n%s\n}\n", b.admin, more)
}

// alone returns a configuration without a cluster, with handler's block.
func (b *caddyBed) alone(block string) string {
	return b.globals("") + fmt.Sprintf("http://%s {\nomflow_booster {\n%s\n%s\n}\n}\n", b.site, quickChecks, block)
}

// quickChecks asks servers that are no OMFLOW Server.
const quickChecks = "health {\nlive /ok\nready /ok\ninterval 200ms\n}"

// tryLoad loads a Caddyfile.
func (b *caddyBed) tryLoad(caddyfile string) error {
	b.t.Helper()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	return caddy.Load(text, true)
}

func (b *caddyBed) load(caddyfile string) {
	b.t.Helper()
	if err := b.tryLoad(caddyfile); err != nil {
		b.t.Fatal(err)
	}
}

// dropped tells what happens now and then to a connection to Caddy's admin API that its
// listener took just as Caddy replaced it.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// get asks the site, with kept cookies.
func (b *caddyBed) get(path string, change ...func(*http.Request)) (body string, header http.Header, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+b.site+path, nil)
	if err != nil {
		return "", nil, err
	}
	for _, f := range change {
		f(req)
	}
	client := http.Client{Jar: b.jar, Transport: &http.Transport{DisableKeepAlives: true}, Timeout: observe.Patience}
	resp, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %.200s", path, resp.StatusCode, text)
	}
	return string(text), resp.Header, err
}

// background asks the site once and gives the answer later.
func (b *caddyBed) background(path string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, _, err := b.get(path)
		done <- err
	}()
	return done
}

// api asks the admin API.
func (b *caddyBed) api(method, path string, v any) error {
	req, err := http.NewRequest(method, "http://"+b.admin+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: observe.Patience}
	resp, err := client.Do(req)
	for range 5 {
		if method == http.MethodGet && dropped(err) {
			resp, err = client.Do(req)
		}
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, bytes.TrimSpace(text))
	}
	if raw, ok := v.(*string); ok {
		*raw = string(text)
		return nil
	}
	return json.Unmarshal(text, v)
}

func (b *caddyBed) status() (s Status, err error) {
	err = b.api(http.MethodGet, "/omflow/status", &s)
	return s, err
}

// states returns the servers' states by name.
func (b *caddyBed) states() (map[string]string, error) {
	s, err := b.status()
	states := make(map[string]string)
	for _, server := range s.Servers {
		states[server.Name] = server.State
	}
	return states, err
}

// await waits until the servers have these states and there is no other.
func (b *caddyBed) await(want map[string]string) {
	b.t.Helper()
	observe.Succeeds(b.t, "servers", func() error {
		states, err := b.states()
		if err != nil {
			return err
		}
		if len(states) != len(want) {
			return fmt.Errorf("they are %v", states)
		}
		for name, state := range want {
			if states[name] != state {
				return fmt.Errorf("they are %v, want %v", states, want)
			}
		}
		return nil
	})
}

func waitErr(t *testing.T, what string, c <-chan error) {
	t.Helper()
	select {
	case err := <-c:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(observe.Patience):
		t.Errorf("%s: no answer", what)
	}
}

var errNotYet = errors.New("not yet")
