package front

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// lastOf is a connection that ends, or stays, and counts how often it was asked.
type lastOf struct {
	ends  bool
	asked int
}

func (c *lastOf) Ends() bool {
	c.asked++
	return c.ends
}

// Each answer, ours and a server's, says that the connection ends when it does, and
// whoever serves hears of it when not.
func TestConnectionEnds(t *testing.T) {
	whole := serve(t, answers(ok("ok")))
	stream := serve(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
	})
	plain := serve(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	socket := []string{"Connection", "Upgrade", "Upgrade", "x"}
	for _, c := range []struct {
		name, server, target string
		fields               []string
		status               int
	}{
		{"whole", whole.addr, "/", nil, 200},
		{"stream", stream.addr, "/", nil, 200},
		{"nobody there", refused(t), "/", nil, 503},
		{"well-known", whole.addr, wellKnownPrefix + "live", nil, 200},
		{"unknown question", whole.addr, wellKnownPrefix + "x", nil, 404},
		{"an upgrade that was not made", plain.addr, "/", socket, 200},
	} {
		for _, ends := range []bool{true, false} {
			s := open(t, []string{c.server}, func(set *setup) { set.front.Plain = true })
			r := httptest.NewRequest("GET", c.target, nil)
			for i := 0; i < len(c.fields); i += 2 {
				r.Header.Set(c.fields[i], c.fields[i+1])
			}
			conn := &lastOf{ends: ends}
			w := httptest.NewRecorder()
			var trace Trace
			s.front.Serve(w, r, Client{Conn: conn}, &trace)
			if w.Code != c.status || conn.asked != 1 || trace.Kept == ends {
				t.Errorf("%s, ends %v: status %d, asked %d times, kept %v", c.name, ends, w.Code, conn.asked, trace.Kept)
			}
			if got := w.Header().Get("Connection") == "close"; got != ends {
				t.Errorf("%s, ends %v: header %v", c.name, ends, w.Header())
			}
		}
	}
}

// With HTTP/2 the client gets a GOAWAY frame, so that it opens another connection, and no
// field of the connection's.
func TestConnectionEndsHTTP2(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, nil)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var trace Trace
		w.Header().Set("Seen-From", r.RemoteAddr)
		s.front.Serve(w, r, Client{Conn: &lastOf{ends: r.URL.Path == "/last"}}, &trace)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	get := func(path string) (from string) {
		t.Helper()
		resp, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.Header.Get("Connection") != "" {
			t.Fatalf("HTTP/%d, %v", resp.ProtoMajor, resp.Header)
		}
		return resp.Header.Get("Seen-From")
	}
	first := get("/")
	if again := get("/"); again != first {
		t.Fatal("the connection was not kept")
	}
	if last := get("/last"); last != first {
		t.Fatal("the connection ended too early")
	}
	s.eventually("another connection", func() bool { return get("/") != first })
}
