package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	tests := []struct {
		name   string
		head   string
		want   head
		header http.Header
	}{
		{"plain", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: a\r\n\r\n",
			head{200, 12, false, true}, http.Header{"Server": {"a"}}},
		{"no reason", "HTTP/1.1 404\r\n\r\n", head{404, -1, false, true}, http.Header{}},
		{"empty reason", "HTTP/1.1 404 \r\n\r\n", head{404, -1, false, true}, http.Header{}},
		{"chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", head{200, -1, true, true}, http.Header{}},
		{"close", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", head{200, -1, false, false}, http.Header{}},
		{"close wins", "HTTP/1.1 200 OK\r\nConnection: Close, Keep-Alive\r\nConnection: keep-alive\r\n\r\n",
			head{200, -1, false, false}, http.Header{}},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", head{200, -1, false, false}, http.Header{}},
		{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
			head{200, 0, false, true}, http.Header{}},
		{"fields of the connection", "HTTP/1.1 200 OK\r\nConnection: x-one, X-Two\r\nX-One: 1\r\nX-TWO: 2\r\nX-Three: 3\r\nUpgrade: h2c\r\n\r\n",
			head{200, -1, false, true}, http.Header{"X-Three": {"3"}}},
		{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length:5 \r\n\r\n",
			head{200, 5, false, true}, http.Header{}},
		{"many values", "HTTP/1.1 302 Found\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nSET-COOKIE:\tc=3\t\r\n\r\n",
			head{302, -1, false, true}, http.Header{"Set-Cookie": {"a=1", "b=2", "c=3"}}},
		{"bytes beyond ASCII", "HTTP/1.1 200 \xe5\xa5\xbd\r\nX: \xe5\xa5\xbd\r\n\r\n",
			head{200, -1, false, true}, http.Header{"X": {"\xe5\xa5\xbd"}}},
		{"an empty value", "HTTP/1.1 200 OK\r\nX:\r\n\r\n", head{200, -1, false, true}, http.Header{"X": {""}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{}
			h, err := parseHead([]byte(test.head), header)
			if err != nil {
				t.Fatal(err)
			}
			if h != test.want || !reflect.DeepEqual(header, test.header) {
				t.Errorf("got %+v %v, want %+v %v", h, header, test.want, test.header)
			}
		})
	}
}

func TestRefusedHeads(t *testing.T) {
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	tests := []struct{ name, head, why string }{
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "does not begin with HTTP/1."},
		{"another version", "HTTP/2.0 200 OK\r\n\r\n", "does not begin with HTTP/1."},
		{"version 1.2", "HTTP/1.2 200 OK\r\n\r\n", "not a status line"},
		{"a long version", "HTTP/1.10 200 OK\r\n\r\n", "not a status line"},
		{"no status", "HTTP/1.1\r\n\r\n", "not a status line"},
		{"a short status", "HTTP/1.1 20\r\n\r\n", "not a status line"},
		{"a long status", "HTTP/1.1 2000 OK\r\n\r\n", "not a status line"},
		{"a status of letters", "HTTP/1.1 2x0 OK\r\n\r\n", "not a number"},
		{"a signed status", "HTTP/1.1 +20 OK\r\n\r\n", "not a number"},
		{"status 99", "HTTP/1.1 099 OK\r\n\r\n", "status 99"},
		{"status 600", "HTTP/1.1 600 OK\r\n\r\n", "status 600"},
		{"CR in the reason", "HTTP/1.1 200 OK\rX: y\r\n\r\n", "byte 0x0d"},
		{"NUL in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n", "byte 0x00"},
		{"an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", "does not begin with HTTP/1."},
		{"bare LF", "HTTP/1.1 200 OK\nX: y\n\n", "bare LF"},
		{"bare LF at the end", "HTTP/1.1 200 OK\r\nX: y\r\n\n", "bare LF"},
		{"a folded line", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "name has the byte 0x20"},
		{"a fold before all", "HTTP/1.1 200 OK\r\n\tX: y\r\n\r\n", "name has the byte 0x09"},
		{"a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", "name has the byte 0x20"},
		{"no colon", "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", "no name"},
		{"no name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "no name"},
		{"CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "value has the byte 0x0d"},
		{"NUL in a value", "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "value has the byte 0x00"},
		{"DEL in a value", "HTTP/1.1 200 OK\r\nX: a\x7fb\r\n\r\n", "value has the byte 0x7f"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "two different"},
		{"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "not a number"},
		{"a length written in two ways", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n", "two different"},
		{"a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", "not a number"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not a number"},
		{"a hexadecimal length", "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", "not a number"},
		{"an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "not a number"},
		{"a length past int64", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", "not a number"},
		{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
		{"chunks and length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "both"},
		{"another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "other than chunked"},
		{"identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "other than chunked"},
		{"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "other than chunked"},
		{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0"},
		{"many fields", "HTTP/1.1 200 OK\r\n" + many(maxFields+1, "X-%d: y\r\n") + "\r\n", "more than 512 header fields"},
		{"many connection options", "HTTP/1.1 200 OK\r\nConnection: " + many(maxHop+1, "x%d,") + "\r\n\r\n", "connection options"},
		{"a large head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", maxHead) + "\r\n\r\n", "larger than 256 kB"},
		{"a head without end", "HTTP/1.1 200 OK\r\n" + many(maxHead/8, "X%d: y\r\n"), "larger than 256 kB"},
		{"switching protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "switched protocols"},
		{"endless interim answers",
			strings.Repeat("HTTP/1.1 102 Wait\r\n\r\n", maxInterim+1), "more than 8 interim"},
	}
	for _, test := range tests {
		for _, size := range []int{1 << 20, 7} {
			t.Run(fmt.Sprintf("%s, %d bytes at once", test.name, size), func(t *testing.T) {
				x := exchangeOf(t.Context(), test.head, size)
				err := x.readHead(get("/"))
				if !errors.Is(err, ErrBadAnswer) || !strings.Contains(fmt.Sprint(err), test.why) {
					t.Errorf("got %v, want a bad answer because of %q", err, test.why)
				}
				if n := cap(x.c.buf); n > 2*maxHead {
					t.Errorf("the buffer grew to %d bytes", n)
				}
			})
		}
	}
}

// The bytes that a bare LF makes wait for an end of the head that never comes
// must be refused when they arrive, not after the response timeout.
func TestBareLFIsRefusedBeforeTheHeadIsWhole(t *testing.T) {
	for _, head := range []string{"HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\n\n", "HTTP/1.1 200 OK\r\nX: y\n"} {
		x := exchangeOf(t.Context(), head, 1)
		if err := x.readHead(get("/")); !errors.Is(err, ErrBadAnswer) {
			t.Errorf("%q: %v", head, err)
		}
	}
}

func TestHeadsOfManySizes(t *testing.T) {
	for size := range 3 * readBuffer / 16 {
		value := strings.Repeat("v", size*16)
		data := "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX: " + value + "\r\nContent-Length: 2\r\n\r\nok"
		x := exchangeOf(t.Context(), data, 1000)
		if err := x.readHead(get("/")); err != nil {
			t.Fatalf("%d bytes: %v", size*16, err)
		}
		b := make([]byte, 8)
		n, err := x.Read(b)
		if string(b[:n]) != "ok" && string(b[:n]) != "o" || err != nil || x.Header.Get("X") != value || x.Header.Get("Link") != "" {
			t.Fatalf("%d bytes: read %q, %v, %d fields", size*16, b[:n], err, len(x.Header))
		}
	}
}
