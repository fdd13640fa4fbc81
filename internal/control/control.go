package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxRefusal bounds, in bytes, what is repeated of a refusal.
const maxRefusal = 1024

// Do sends a request to the named member's control API; gossip.Node.Do is one. It must
// be safe for concurrent use if its methods are called concurrently.
type Do func(ctx context.Context, member string, r *http.Request) (*http.Response, error)

// Refusal is the error of a request that the other node did not answer as it was asked.
type Refusal struct {
	// Status is the HTTP status, Text what the other node said, possibly nothing.
	Status int
	Text   string
	// Later is true when the other node said when to ask again (Retry-After).
	Later bool
}

// Error says both.
func (r *Refusal) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("HTTP %d", r.Status)
	}
	return fmt.Sprintf("HTTP %d: %s", r.Status, r.Text)
}

// Refused reports whether err is a refusal with this status.
func Refused(err error, status int) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Status == status
}

// Send sends a request and returns the answer, whose body the caller closes, if its
// status is one of success, 200 to 299. Otherwise the error is a *Refusal, or the connection's.
func (do Do) Send(ctx context.Context, member, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	resp, err := do(ctx, member, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // what came of it is enough
	return nil, &Refusal{
		Status: resp.StatusCode, Text: strings.TrimSpace(strings.ToValidUTF8(string(text), "?")),
		Later: resp.Header.Get("Retry-After") != "",
	}
}

// Call posts a message, or gets when it is nil, and decodes the answer, of at most most
// bytes, into the pointer that answer is. A nil answer is none to wait for.
func (do Do) Call(ctx context.Context, member, path string, message, answer any, most int64) error {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if message != nil {
		b, err := json.Marshal(message)
		if err != nil {
			return fmt.Errorf("encode the message: %w", err)
		}
		method, body = http.MethodPost, bytes.NewReader(b)
	}
	resp, err := do.Send(ctx, member, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer == nil {
		return nil
	}
	return Decode(resp.Body, most, answer)
}

// Decode reads one JSON value of at most most bytes into the pointer v, and nothing may
// follow it.
func Decode(r io.Reader, most int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return fmt.Errorf("read a message: %w", err)
	}
	if int64(len(b)) > most {
		return fmt.Errorf("a message of more than %d bytes", most)
	}
	return json.Unmarshal(b, v)
}

// Answer sends a value as the answer to a request.
func Answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked may have gone
}
