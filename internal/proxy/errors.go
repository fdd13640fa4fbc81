package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
)

var (
	// ErrAborted is the cause when Upstream.Abort ended an exchange.
	ErrAborted = errors.New("the server was found to be down")
	// ErrBadAnswer is the cause when a server did not speak HTTP as it should.
	ErrBadAnswer = errors.New("the server's answer is not valid HTTP")
	// ErrClient is the cause when the client could not be written to.
	ErrClient = errors.New("write to the client")
	// ErrBodyTooLarge is returned by ReadBody.
	ErrBodyTooLarge = errors.New("the request's body is larger than max_body")
	// ErrBodyFile is the cause when a body could not be kept in a file, or not be
	// read from there: this machine's fault, neither the client's nor the server's.
	ErrBodyFile = errors.New("keep the request's body in a file")
)

var (
	errClosed  = errors.New("the server closed the connection without an answer")
	errMethod  = errors.New("the method is not a token")
	errConnect = errors.New("CONNECT asks for a tunnel, which is not made here")
)

// Step is where an exchange was when it failed.
type Step string

// The steps of an exchange.
const (
	StepDial  Step = "dial"
	StepWrite Step = "write request"
	StepRead  Step = "read answer"
	StepBody  Step = "read answer's body"
)

// Error is why an exchange with a server failed.
type Error struct {
	Step Step
	// Sent is true when the server may have seen a part of the request. When it is
	// false nothing of it was written, and it may go to another server whatever it
	// does.
	Sent bool
	// Watched is true when the server got the whole request and works on it though
	// nobody waits for its answer any more: Request.Abandoned will be called, once.
	Watched bool
	// Err is the cause: ErrAborted, one that wraps ErrBadAnswer or ErrBodyFile, the
	// cause of the context's end, or the connection's error.
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the server did not take the connection, the request,
// or answer it in time. The end of the caller's context is no such timeout.
func (e *Error) Timeout() bool {
	if errors.Is(e.Err, os.ErrDeadlineExceeded) {
		return true
	}
	var op *net.OpError
	return errors.As(e.Err, &op) && op.Timeout()
}

func badAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadAnswer, fmt.Sprintf(format, args...))
}
