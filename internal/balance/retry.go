package balance

import (
	"sync"
	"sync/atomic"
	"time"
)

// RetryBudget keeps retries from multiplying an overload: they may be a share
// of the requests and a few a second more (the scheme of Finagle's RetryBudget).
// All methods may be called from any goroutine.
type RetryBudget struct {
	requests atomic.Uint64 // taken on since the latest Retry

	mu      sync.Mutex
	percent float64
	tokens  float64
	last    time.Time
}

const (
	// retriesPerSecond is what is allowed without any traffic; Finagle's figure.
	retriesPerSecond = 10
	// retryBurst is how many retries may be saved up: as many as a few servers
	// of the usual capacity have in flight when they all die at once.
	retryBurst = 100
)

// NewRetryBudget returns a budget of percent retries for 100 requests, full.
func NewRetryBudget(percent float64) *RetryBudget {
	return &RetryBudget{percent: percent, tokens: retryBurst}
}

// SetPercent changes the share.
func (r *RetryBudget) SetPercent(percent float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.percent = percent
}

// Request notes a request that was taken on. It takes no lock.
func (r *RetryBudget) Request() { r.requests.Add(1) }

// Retry takes one retry from the budget and reports whether there was one.
func (r *RetryBudget) Retry(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && r.percent > 0 {
		r.tokens = min(retryBurst, r.tokens+now.Sub(r.last).Seconds()*retriesPerSecond)
	}
	r.last = now
	r.tokens = min(retryBurst, r.tokens+float64(r.requests.Swap(0))*r.percent/100)
	if r.percent <= 0 || r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}
