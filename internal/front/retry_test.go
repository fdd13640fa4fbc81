package front

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
)

// dies reads a request and closes, the first times.
func dies(times int64, then string) func(*peer) {
	var n atomic.Int64
	return func(p *peer) {
		for {
			p.request()
			if n.Add(1) <= times {
				return
			}
			p.send(then)
		}
	}
}

// inOrder makes the policy go down the list, so that a test knows who is asked.
func inOrder(set *setup) { set.fleet.Balance.Policy = balance.First }

func TestNotSentGoesElsewhereWhateverItDoes(t *testing.T) {
	for _, url := range []string{createURL, readURL, pageURL} {
		up := serve(t, answers(ok("done")))
		s := open(t, []string{refused(t), refused(t), up.addr}, func(set *setup) {
			inOrder(set)
			set.front.Retries = balance.NewRetryBudget(0) // nothing was sent: it costs no budget
		})
		s.post(url, createBody).want(t, 200, "done")
		if trace := s.trace(1); trace.Tries != 3 || trace.Server != "s3" || trace.Err != nil {
			t.Errorf("%s: trace %+v", url, trace)
		}
		up.only(t)
		for _, server := range []string{"s1", "s2"} { // taken out for all, not for this request alone
			if !strings.Contains(s.log.String(), `"server is down" server=`+server) {
				t.Errorf("%s was not taken out:\n%s", server, s.log.String())
			}
		}
		s.idle()
	}
}

func TestNobodyListens(t *testing.T) {
	s := open(t, []string{refused(t), refused(t)}, func(set *setup) { set.front.Attempts = 2; inOrder(set) })
	a := s.post(createURL, createBody)
	a.want(t, 503, `"status":503`)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if trace := s.trace(1); trace.Refusal != "unreachable" || trace.Tries != 2 || trace.Err == nil {
		t.Errorf("trace %+v", trace)
	}
	s.idle()
}

func TestSentAndRepeatable(t *testing.T) {
	for _, tt := range []struct{ method, url, body string }{
		{"GET", pageURL, ""}, {"POST", readURL, "{}"}, {"POST", createURL, updateBody},
	} {
		dead, alive := serve(t, dies(99, "")), serve(t, answers(ok("done")))
		s := open(t, []string{dead.addr, alive.addr}, inOrder)
		s.send(s.request(tt.method, tt.url, strings.NewReader(tt.body))).want(t, 200, "done")
		if a, b := sorted(dead.only(t)), sorted(alive.only(t)); a != b {
			t.Errorf("the second try differs:\n%q\n%q", a, b)
		}
		if trace := s.trace(1); trace.Tries != 2 || trace.Server != "s2" {
			t.Errorf("trace %+v", trace)
		}
		s.idle()
	}
}

// sorted is a request with its lines in an order that does not change.
func sorted(request string) string {
	lines := strings.Split(request, "\r\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestAttemptsAndBudgetBoundRetries(t *testing.T) {
	for _, tt := range []struct {
		name     string
		change   func(*setup)
		requests int
	}{
		{"attempts", func(set *setup) { set.front.Attempts = 5; set.front.Retries = balance.NewRetryBudget(100) }, 5},
		{"one attempt", func(set *setup) { set.front.Attempts = 1 }, 1},
		{"no budget", func(set *setup) { set.front.Attempts = 5; set.front.Retries = balance.NewRetryBudget(0) }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := serve(t, dies(99, ""))
			s := open(t, []string{up.addr}, tt.change) // one server: it is asked again
			s.get(pageURL, "Accept", "text/html").want(t, 502, "<html")
			if n := len(up.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if trace := s.trace(1); trace.Refusal != "bad_answer" || trace.Tries != tt.requests {
				t.Errorf("trace %+v", trace)
			}
			s.idle()
		})
	}
}

// A server that failed a request does not get it again while another is up.
func TestEveryServerIsTriedOnce(t *testing.T) {
	var addresses []string
	var ups []*upstream
	for range 7 {
		ups = append(ups, serve(t, dies(99, "")))
		addresses = append(addresses, ups[len(ups)-1].addr)
	}
	s := open(t, addresses, func(set *setup) { set.front.Attempts = 7; inOrder(set) })
	s.get(pageURL).want(t, 502, "")
	for i, up := range ups {
		if n := len(up.requests()); n != 1 {
			t.Errorf("server %d was asked %d times", i+1, n)
		}
	}
}

// A create that was written is sent once, and its client is told that nobody knows.
func TestSentCreate(t *testing.T) {
	for name, script := range map[string]func(*peer){
		"no answer":         dies(99, ""),
		"garbage":           func(p *peer) { p.request(); p.send("SSH-2.0-OpenSSH_9.6\r\n") },
		"half a head":       func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-Le") },
		"half a body":       func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") },
		"a header of 1 MB":  func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1<<20), "\r\n\r\n") },
		"no answer in time": func(p *peer) { p.request(); p.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			up, other := serve(t, script), serve(t, answers(ok("done")))
			s := open(t, []string{up.addr, other.addr}, func(set *setup) {
				set.fleet.ResponseTimeout = 200 * time.Millisecond
				inOrder(set)
			})
			a := s.post(createURL, createBody, "Accept-Language", "en")
			a.want(t, 502, `{"status":502,"message":"`)
			if !strings.HasSuffix(a.body, `"result":null}`) || a.Header.Get("Retry-After") != "" {
				t.Errorf("%q %v", a.body, a.Header)
			}
			up.only(t)
			if n := len(other.requests()); n > 0 {
				t.Errorf("it was sent again")
			}
			if trace := s.trace(1); trace.Refusal != "outcome_unknown" || trace.Tries != 1 || trace.Err == nil {
				t.Errorf("trace %+v", trace)
			}
			if !strings.Contains(s.log.String(), "request failed") {
				t.Error("not logged")
			}
			s.idle()
		})
	}
}

// What is no answer is none for reads either, and another server is asked.
func TestReadsAfterBadAnswers(t *testing.T) {
	for name, script := range map[string]func(*peer){
		"garbage":          func(p *peer) { p.request(); p.send("SSH-2.0-OpenSSH_9.6\r\n") },
		"a header of 1 MB": func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1<<20), "\r\n\r\n") },
		"half a head":      func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-Le") },
		"half a small body": func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", strings.Repeat("x", 59999))
		},
		"an empty small body": func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n") },
		"two lengths": func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
		},
		"a switch of protocols": func(p *peer) { p.request(); p.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			up, other := serve(t, script), serve(t, answers(ok("done")))
			s := open(t, []string{up.addr, other.addr}, inOrder)
			s.get(pageURL).want(t, 200, "done")
			up.only(t)
			s.idle()
		})
	}
}

func TestResponseTimeout(t *testing.T) {
	up := serve(t, func(p *peer) { p.request(); p.wait() })
	s := open(t, []string{up.addr}, func(set *setup) {
		set.fleet.ResponseTimeout = 100 * time.Millisecond
		set.front.Attempts = 1
	})
	s.get(pageURL).want(t, 504, "")
	if trace := s.trace(1); trace.Refusal != "server_timeout" {
		t.Errorf("trace %+v", trace)
	}
	s.idle()
}

func TestMethodsWithoutAPath(t *testing.T) {
	up := serve(t, answers(ok("done")))
	s := open(t, []string{up.addr}, nil)
	for _, line := range []string{
		"CONNECT omflow.example:443 HTTP/1.1", "CONNECT /rest/x HTTP/1.1",
		"GET http:rest/x HTTP/1.1", "POST mailto:rest/flowmanage/api/omdata/edit/mission/ HTTP/1.1",
	} {
		c := s.dial()
		fmt.Fprintf(c, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", line)
		got := readAll(c)
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%s: %q", line, got)
		}
	}
	if n := up.conns.Load(); n > 0 {
		t.Errorf("the server got %d connections: %q", n, up.requests())
	}
	s.idle()
}
