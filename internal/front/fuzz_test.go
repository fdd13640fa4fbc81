package front

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// Whatever net/http takes for a request, and looser than its server does, reaches
// the server as one unambiguous request or not at all.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /a?b HTTP/1.1\r\nHost: x\r\nCookie: a=1; omflow_server=x; b=2\r\n\r\n",
		"POST " + createURL + " HTTP/1.1\r\nHost: x\r\nContent-Length: 19\r\n\r\n" + createBody,
		"POST " + createURL + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
		"PUT /%2e%2e//x;y HTTP/1.0\r\nConnection: x-a, close\r\nX-A: 1\r\nX_B: 2\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\n\r\n",
		"GET http:rest/x HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
	} {
		f.Add(seed)
	}
	up := serve(f, answers(ok("ok")))
	s := open(f, []string{up.addr}, nil)
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil || isUpgrade(r) {
			return
		}
		up.forget()
		w := &nothing{header: make(http.Header)}
		var trace Trace
		s.front.Serve(w, r, Client{}, &trace)
		got := up.requests()
		if strings.HasPrefix(r.URL.Path, wellKnownPrefix) {
			return
		}
		if w.status == http.StatusOK != (len(got) == 1) || w.status == 0 {
			t.Fatalf("answered %d (%+v), the server got %q", w.status, trace, got)
		}
		for _, one := range got {
			unambiguous(t, one)
		}
	})
}

// Our cookie is found and taken out of any field, and the others keep their bytes and
// order.
func FuzzWithoutCookie(f *testing.F) {
	for _, seed := range []string{"a=1; c=2; b=3", "c=1\nc=2\na", ";;c;=; c =\"x\" ;", "cc=1;c=", " c=1 "} {
		f.Add(seed)
	}
	const name = "c"
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		_, there := cookieValue(lines, name)
		rest, removed := withoutCookie(lines, name)
		if removed != there {
			t.Fatalf("%q: found %v, removed %v", text, there, removed)
		}
		if v, still := cookieValue([]string{rest}, name); still {
			t.Fatalf("%q: %q still has %q", text, rest, v)
		}
		var want []string
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				if _, mine := cookieValue([]string{pair}, name); !mine {
					want = appendPair(want, pair)
				}
			}
		}
		var got []string
		for pair := range strings.SplitSeq(rest, ";") {
			got = appendPair(got, pair)
		}
		if strings.Join(got, ";") != strings.Join(want, ";") {
			t.Fatalf("%q became %q", text, rest)
		}
	})
}

// appendPair adds a cookie without the blanks around it, which are no part of it.
func appendPair(to []string, pair string) []string {
	if pair = strings.Trim(pair, " \t"); pair != "" {
		to = append(to, pair)
	}
	return to
}
