package front

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/omflow/booster/internal/testbed/observe"
)

// rawHTTP2 sends a GET request with any target at all, which no client library
// would, and returns the status of the answer, or 0 when the stream was reset.
func (s *site) rawHTTP2(t *testing.T, target string) (status int) {
	t.Helper()
	c, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // the test server's own certificate
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(observe.Patience))
	framer := h2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "omflow.example"}, {":path", target}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(c, h2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return 0
		}
		switch frame := frame.(type) {
		case *h2.MetaHeadersFrame:
			for _, c := range frame.PseudoValue("status") {
				status = status*10 + int(c-'0')
			}
		case *h2.RSTStreamFrame:
			return 0
		}
		if frame.Header().Flags.Has(h2.FlagDataEndStream) && frame.Header().StreamID == 1 {
			return status
		}
	}
}
