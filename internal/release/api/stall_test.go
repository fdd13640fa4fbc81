package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release"
)

// TestStall: a stream that stands still ends, and the time that the disk takes does
// not count.
func TestStall(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(context.Context, Client) error
	}{
		{"blobs", func(ctx context.Context, c Client) error {
			return c.Blobs(ctx, "s2", []release.File{file("x")}, discard)
		}},
		{"releases", func(ctx context.Context, c Client) error {
			return c.Chain(ctx, "s2", 0, func(*release.Manifest) error { return nil })
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := Client{Do: func(ctx context.Context, _ string, _ *http.Request) (*http.Response, error) {
				r, w := io.Pipe()
				stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
				t.Cleanup(func() { stop() })
				return &http.Response{StatusCode: http.StatusOK, Body: r}, nil
			}}
			begun := time.Now()
			err := tt.call(t.Context(), c)
			if !errors.Is(err, errStalled) || time.Since(begun) != StallTime {
				t.Errorf("%s: %v after %s", tt.name, err, time.Since(begun))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		stalled := false
		r := newStallReader(slowReader(StallTime-1), func() { stalled = true })
		for range 2 {
			if _, err := r.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * StallTime) // the disk is slow
		}
		if stalled {
			t.Error("a slow stream was taken for one that stands still")
		}
	})
}

// slowReader gives what is asked for after the time.
type slowReader time.Duration

// Read implements io.Reader.
func (s slowReader) Read(b []byte) (int, error) {
	time.Sleep(time.Duration(s))
	return len(b), nil
}
