package front

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
)

// onlyReader hides a body's length from net/http's client, which sends it chunked.
type onlyReader struct{ io.Reader }

func TestChunkedBodyGetsALength(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, nil)
	s.send(s.request("POST", createURL, onlyReader{strings.NewReader(updateBody)})).want(t, 200, "ok")
	got := up.only(t)
	if !strings.HasSuffix(got, "\r\n\r\n"+updateBody) || strings.Contains(got, "Transfer-Encoding") ||
		!strings.Contains(got, fmt.Sprintf("\r\nContent-Length: %d\r\n", len(updateBody))) {
		t.Errorf("the server got %q", got)
	}
	if class := s.trace(1).Class.String(); class != "guarded" {
		t.Errorf("a chunked body was not looked at: class %s", class)
	}
	s.send(s.request("POST", createURL, onlyReader{strings.NewReader("")})).want(t, 200, "ok")
	if got := up.requests()[1]; !strings.Contains(got, "\r\nContent-Length: 0\r\n") || !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("an empty chunked body arrived as %q", got)
	}
}

// pattern is some bytes that repeat only after a length that no buffer has.
type pattern struct{ left, at int }

var patternBytes = func() []byte {
	b := make([]byte, 1<<20-3)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.left)], patternBytes[p.at:])
	p.left, p.at = p.left-n, (p.at+n)%len(patternBytes)
	return n, nil
}

func sum(r io.Reader) (string, int64) {
	h := hash.Hash(sha256.New())
	n, _ := io.Copy(h, r)
	return fmt.Sprintf("%x", h.Sum(nil)), n
}

// A large upload waits in a file, takes no memory, and arrives as it was sent.
func TestLargeUpload(t *testing.T) {
	const size = 100_000_000
	want, _ := sum(&pattern{left: size})
	var heap runtime.MemStats
	arrived := make(chan string, 1)
	up := serve(t, func(p *peer) {
		p.r = bufio.NewReader(p.Conn) // keeps nothing
		r, err := http.ReadRequest(p.r)
		if err != nil {
			return
		}
		runtime.ReadMemStats(&heap)
		got, n := sum(r.Body)
		arrived <- fmt.Sprintf("%s %d %d %v", got, n, r.ContentLength, r.TransferEncoding)
		p.send(ok("ok"))
	})
	var dir string
	s := open(t, []string{up.addr}, func(set *setup) { set.front.MaxBody = 200_000_000; dir = set.front.BodyDir })
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s.send(s.request("POST", "/flowmanage/api/omdata-file/upload/", onlyReader{&pattern{left: size}})).want(t, 200, "ok")
	if got := <-arrived; got != fmt.Sprintf("%s %d %d []", want, size, size) {
		t.Errorf("arrived %s, want %s", got, want)
	}
	if grown := int64(heap.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Errorf("the heap grew by %d MB meanwhile", grown>>20)
	}
	s.trace(1) // its body is closed
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v %v", left, err)
	}
	open, _ := os.ReadDir("/proc/self/fd") // where there is one: the file has no name any more
	for _, fd := range open {
		if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(name, dir) {
			t.Errorf("still open: %s", name)
		}
	}
}

func TestBodyTooLarge(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	for name, tt := range map[string]struct {
		body   io.Reader
		limit  int64 // of a handler before the front door
		status int
	}{
		"announced":           {strings.NewReader(strings.Repeat("x", 5001)), 0, 413},
		"chunked":             {onlyReader{strings.NewReader(strings.Repeat("x", 5001))}, 0, 413},
		"as large as it may":  {onlyReader{strings.NewReader(strings.Repeat("x", 5000))}, 0, 200},
		"for another handler": {strings.NewReader(strings.Repeat("x", 4001)), 4000, 413},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(up.requests())
			s := open(t, []string{up.addr}, func(set *setup) {
				set.front.MaxBody = 5000
				set.serve = func(s *site, w http.ResponseWriter, r *http.Request) {
					if tt.limit > 0 {
						r.Body = http.MaxBytesReader(w, r.Body, tt.limit)
					}
					var trace Trace
					s.front.Serve(w, r, Client{}, &trace)
				}
			})
			a := s.send(s.request("POST", createURL, tt.body, "Accept-Language", "en"))
			if tt.status == 200 {
				a.want(t, 200, "ok")
				return
			}
			a.want(t, 413, `{"status":413,"message":"`)
			if !strings.HasSuffix(a.body, `"result":null}`) || a.Header.Get("Content-Type") != "application/json" || !a.Close {
				t.Errorf("%q %v close=%v", a.body, a.Header, a.Close)
			}
			if n := len(up.requests()) - before; n > 0 {
				t.Errorf("the server got %d requests", n)
			}
		})
	}
}

// A body that ends early is never sent: the server would take it for a whole one.
func TestShortBody(t *testing.T) {
	for name, text := range map[string]string{
		"of known length": "Content-Length: 100\r\n\r\nonly this",
		"chunked":         "Transfer-Encoding: chunked\r\n\r\n64\r\nonly this",
		"without its end": "Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			up := serve(t, answers(ok("ok")))
			s := open(t, []string{up.addr}, nil)
			half, gone := s.dial(), s.dial()
			for _, c := range []io.Writer{half, gone} {
				io.WriteString(c, "POST "+createURL+" HTTP/1.1\r\nHost: x\r\n"+text)
			}
			half.(interface{ CloseWrite() error }).CloseWrite()
			gone.Close()
			got, _ := io.ReadAll(half)
			// net/http takes a closed sending side for the client's going away.
			if !strings.HasPrefix(string(got), "HTTP/1.1 499 ") || !strings.Contains(string(got), "Connection: close\r\n") {
				t.Errorf("the client got %q", got)
			}
			for n := range 2 {
				if trace := s.trace(n + 1); trace.Tries != 0 || trace.Refusal != "client gone" {
					t.Errorf("trace %+v", trace)
				}
			}
			if n := up.conns.Load(); n != 0 {
				t.Errorf("the server got %d connections", n)
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, func(set *setup) { set.front.MaxBody = 5000 })
	c := s.dial()
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", readURL)
	if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q %v", line, err)
	}
	if up.conns.Load() != 0 {
		t.Error("the server was asked before the body was there")
	}
	r.ReadString('\n')
	io.WriteString(c, "body")
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	if got := up.only(t); strings.Contains(got, "Expect") || !strings.HasSuffix(got, "\r\n\r\nbody") {
		t.Errorf("the server got %q", got)
	}

	// One that is too large is refused before the client sends it.
	c = s.dial()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5001\r\n\r\n", readURL)
	resp, err = http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 413 || !resp.Close {
		t.Errorf("%+v %v", resp, err)
	}
}

// A disk that is full is this machine's fault and not the client's.
func TestBodyThatCannotBeKept(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, func(set *setup) { set.front.BodyDir += "/missing" })
	s.send(s.request("POST", createURL, &pattern{left: 2 << 20})).want(t, 503, `"status":503`)
	if n := up.conns.Load(); n != 0 || !strings.Contains(s.log.String(), "can't be kept on disk") {
		t.Errorf("%d connections; log: %s", n, s.log.String())
	}
}

// The time that a client takes for its body is not time in the queue: it would be
// taken for load.
func TestSlowBodyIsNoWaiting(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, func(set *setup) { set.servers[0].Capacity = 1 })
	grant, _, err := s.fleet.Balancer().Acquire(time.Now(), &balance.Request{})
	if err != nil {
		t.Fatal(err)
	}
	c := s.dial()
	io.WriteString(c, "POST "+readURL+" HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo")
	whole := make(chan time.Time, 1)
	time.AfterFunc(300*time.Millisecond, func() { whole <- time.Now(); io.WriteString(c, "dy") })
	s.eventually("it waits", func() bool { return s.fleet.Balancer().Queued(balance.Flow) == 1 })
	s.fleet.Balancer().Release(time.Now(), grant, balance.Outcome{})
	queue := s.trace(1).Queue
	if most := time.Since(<-whole); queue <= 0 || queue > most {
		t.Errorf("%v in the queue, %v after its body was there", queue, most)
	}
}
