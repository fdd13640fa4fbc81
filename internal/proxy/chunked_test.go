package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// readChunked reads a chunked answer whose body is data.
func readChunked(t *testing.T, data string, size int) (x *Exchange, body string, err error) {
	t.Helper()
	x = exchangeOf(t.Context(), chunkedHead+data, size)
	if err := x.readHead(get("/")); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(x)
	return x, string(b), err
}

func TestChunks(t *testing.T) {
	tests := []struct {
		name, data, body string
		trailer          http.Header
	}{
		{"none", "0\r\n\r\n", "", nil},
		{"one", "5\r\nhello\r\n0\r\n\r\n", "hello", nil},
		{"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", nil},
		{"a CRLF in the data", "4\r\na\r\nb\r\n0\r\n\r\n", "a\r\nb", nil},
		{"leading zeros", "00005\r\nhello\r\n000\r\n\r\n", "hello", nil},
		{"both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", nil},
		{"extensions", "5;a=b;c=\"d\"\r\nhello\r\n5 ; a\r\nagain\r\n0;z\r\n\r\n", "helloagain", nil},
		{"a space after the size", "5 \t\r\nhello\r\n0 \r\n\r\n", "hello", nil},
		{"large", "4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n0\r\n\r\n", strings.Repeat("x", 0x4000), nil},
		{"trailers", "0\r\nx-sum: 1\r\nX-Sum:2\r\nX-Other: 3\r\n\r\n", "", http.Header{"X-Sum": {"1", "2"}, "X-Other": {"3"}}},
		{"trailers without effect",
			"0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\nConnection: close\r\nIf-Match: x\r\nTrailer: y\r\n\r\n", "", nil},
	}
	for _, test := range tests {
		for _, size := range []int{1 << 20, 3, 1} {
			t.Run(fmt.Sprintf("%s, %d bytes at once", test.name, size), func(t *testing.T) {
				x, body, err := readChunked(t, test.data, size)
				if err != nil || body != test.body {
					t.Fatalf("got %q, %v", body, err)
				}
				if !reflect.DeepEqual(x.Trailer(), test.trailer) {
					t.Errorf("trailers %v, want %v", x.Trailer(), test.trailer)
				}
				if x.broken || !x.ended || x.c.from != x.c.to {
					t.Errorf("broken %t, ended %t, %d bytes left", x.broken, x.ended, x.c.to-x.c.from)
				}
			})
		}
	}
}

func TestRefusedChunks(t *testing.T) {
	tests := []struct{ name, data, why string }{
		{"no size", "\r\nhello\r\n0\r\n\r\n", "without a size"},
		{"no size before an extension", ";a\r\n0\r\n\r\n", "without a size"},
		{"a space before the size", " 5\r\nhello\r\n0\r\n\r\n", "without a size"},
		{"a prefix", "0x5\r\nhello\r\n0\r\n\r\n", "byte 0x78"},
		{"a sign", "+5\r\nhello\r\n0\r\n\r\n", "without a size"},
		{"two sizes", "5 5\r\nhello\r\n0\r\n\r\n", "byte 0x35"},
		{"an underscore", "1_0\r\n", "byte 0x5f"},
		{"16 digits", "0000000000000005\r\nhello\r\n0\r\n\r\n", "15 digits"},
		{"past int64", "fffffffffffffffff\r\n", "15 digits"},
		{"bare LF after the size", "5\nhello\r\n0\r\n\r\n", "bare LF"},
		{"bare LF after the data", "5\r\nhello\n0\r\n\r\n", "longer than it says"},
		{"CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", "byte 0x0d"},
		{"a longer chunk", "4\r\nhello\r\n0\r\n\r\n", "longer than it says"},
		{"a shorter chunk", "6\r\nhello\r\n0\r\n\r\n", "longer than it says"},
		{"a long extension", "5;" + strings.Repeat("a", maxChunkLine) + "\r\nhello\r\n0\r\n\r\n", "longer than 256 bytes"},
		{"a line without end", strings.Repeat("0", 1<<20), "longer than 256 bytes"},
		{"a bad trailer", "0\r\nno colon\r\n\r\n", "name has the byte 0x20"},
		{"a folded trailer", "0\r\nX: y\r\n z\r\n\r\n", "name has the byte 0x20"},
		{"a bare LF in the trailers", "0\r\nX: y\n\r\n", "bare LF"},
		{"a long trailer", "0\r\nX: " + strings.Repeat("a", maxTrailerLine) + "\r\n\r\n", "longer than 4096 bytes"},
		{"many trailers", "0\r\n" + strings.Repeat("X: y\r\n", maxTrailers+1) + "\r\n", "more than 64 trailer"},
	}
	for _, test := range tests {
		// What is refused must not depend on how the bytes arrive.
		for _, size := range []int{1 << 20, 3, 1} {
			t.Run(fmt.Sprintf("%s, %d bytes at once", test.name, size), func(t *testing.T) {
				x, _, err := readChunked(t, test.data, size)
				if !errors.Is(err, ErrBadAnswer) || !strings.Contains(fmt.Sprint(err), test.why) {
					t.Errorf("got %v, want a bad answer because of %q", err, test.why)
				}
				if !x.broken {
					t.Error("the connection could be used again")
				}
			})
		}
	}
}

func TestCutChunks(t *testing.T) {
	const whole = "5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n"
	for n := range len(whole) {
		x, _, err := readChunked(t, whole[:n], 1<<20)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !x.broken || x.ended {
			t.Errorf("after %q: %v, broken %t, ended %t", whole[:n], err, x.broken, x.ended)
		}
	}
}
