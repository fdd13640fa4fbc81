package doctor

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// State is the verdict of a check.
type State string

// The verdicts.
const (
	OK      State = "ok"
	Failed  State = "failed"
	Skipped State = "skipped"
)

// DefaultTimeout bounds a check that names no time of its own.
const DefaultTimeout = 5 * time.Second

// Check is one question.
type Check struct {
	// Name says what is looked at, in a few words.
	Name string
	// Timeout bounds Run. Default 5s.
	Timeout time.Duration
	// Run finds the answer, and should heed its context.
	Run func(context.Context) Result
}

// Result is an answer.
type Result struct {
	State State
	// Detail says what was found or, of a check that was skipped, why.
	Detail string
	// Advice says what to do, when the check has failed.
	Advice string
}

// ok is the result of a check that found what it should.
func ok(format string, args ...any) Result {
	return Result{State: OK, Detail: fmt.Sprintf(format, args...)}
}

// skipped is the result of a check that could not be made, for the reason given.
func skipped(format string, args ...any) Result {
	return Result{State: Skipped, Detail: fmt.Sprintf(format, args...)}
}

// failed is the result of a check that found what is wrong; advise says what to do.
func failed(format string, args ...any) Result {
	return Result{State: Failed, Detail: fmt.Sprintf(format, args...)}
}

// advise adds what to do.
func (r Result) advise(format string, args ...any) Result {
	r.Advice = fmt.Sprintf(format, args...)
	return r
}

// Known is a check whose answer is there already.
func Known(name string, r Result) Check {
	return Check{Name: name, Run: func(context.Context) Result { return r }}
}

// Shared returns a function that has f run once, for the first who asks, and gives
// everybody that answer. Those who ask meanwhile wait for it.
func Shared[T any](f func(context.Context) T) func(context.Context) T {
	var first atomic.Bool
	var answer T
	done := make(chan struct{})
	return func(ctx context.Context) T {
		if first.CompareAndSwap(false, true) {
			answer = f(ctx)
			close(done)
		}
		<-done
		return answer
	}
}
