package omflow

import (
	"net/http"
	"time"
)

// Reason is why the front door answers a request itself.
type Reason uint8

const (
	// QueueFull: the lane's queue has no place left. Nothing was sent.
	QueueFull Reason = iota
	// WaitedTooLong: the request waited its time in the queue. Nothing was sent.
	WaitedTooLong
	// NoServer: no server can take requests. Nothing was sent.
	NoServer
	// Maintenance: the operator has taken all servers out. Nothing was sent.
	Maintenance
	// Unreachable: every server that was tried refused the connection. Nothing
	// was sent, so the request may be repeated whatever it is.
	Unreachable
	// OutcomeUnknown: a create was written to a server whose connection broke
	// before it answered. Nobody knows whether it was carried out.
	OutcomeUnknown
	// ServerTimeout: the server did not answer in time; it may still work on it.
	ServerTimeout
	// BadAnswer: the server answered with something that is not HTTP, or broke
	// off, or broke a limit.
	BadAnswer
	// BodyTooLarge: the request's body exceeds the limit. Nothing was sent.
	BodyTooLarge
	// BadRequest: the request cannot be passed on without two programs reading
	// it differently, or its body ended early. Nothing was sent.
	BadRequest
	// Forbidden: the request would use a hole of OMFLOW that is closed here, see
	// Table.Refuses. Nothing was sent.
	Forbidden
	// NotCreated: a server said that it had created a ticket and had not, see
	// Table.Lost. Nothing was carried out, so 503 is right although it was sent:
	// the client is asked to send it again.
	NotCreated

	reasons = int(NotCreated) + 1
)

// reasonTable has the HTTP status of each reason and its name for logs and
// metrics. 503 says that nothing was carried out and that trying again is
// right; 502 and 504 don't (RFC 9110 §15.6).
var reasonTable = [reasons]struct {
	status int
	code   string
}{
	QueueFull:      {http.StatusServiceUnavailable, "queue_full"},
	WaitedTooLong:  {http.StatusServiceUnavailable, "waited_too_long"},
	NoServer:       {http.StatusServiceUnavailable, "no_server"},
	Maintenance:    {http.StatusServiceUnavailable, "maintenance"},
	Unreachable:    {http.StatusServiceUnavailable, "unreachable"},
	OutcomeUnknown: {http.StatusBadGateway, "outcome_unknown"},
	ServerTimeout:  {http.StatusGatewayTimeout, "server_timeout"},
	BadAnswer:      {http.StatusBadGateway, "bad_answer"},
	BodyTooLarge:   {http.StatusRequestEntityTooLarge, "body_too_large"},
	BadRequest:     {http.StatusBadRequest, "bad_request"},
	Forbidden:      {http.StatusForbidden, "forbidden"},
	NotCreated:     {http.StatusServiceUnavailable, "not_created"},
}

// Status returns the HTTP status a reason is answered with. An unknown reason
// has 502.
func (r Reason) Status() int {
	if int(r) < reasons {
		return reasonTable[r].status
	}
	return http.StatusBadGateway
}

// String returns the reason's name as it is written in logs and metrics.
func (r Reason) String() string {
	if int(r) < reasons {
		return reasonTable[r].code
	}
	return "unknown"
}

const (
	// DefaultRetryAfter is how long clients are asked to wait before they try
	// again after a 503 that names no time of its own.
	DefaultRetryAfter = 5 * time.Second
	// MaxRetryAfter bounds the wait that clients are asked for.
	MaxRetryAfter = time.Hour
)

// retryAfter returns the whole seconds that a client is asked to wait, or 0
// when it is not asked to try again.
func (a Answer) retryAfter() int {
	if a.Reason.Status() != http.StatusServiceUnavailable {
		return 0
	}
	d := a.RetryAfter
	if d <= 0 {
		d = DefaultRetryAfter
	}
	d = min(d, MaxRetryAfter)
	return int((d + time.Second - 1) / time.Second)
}
