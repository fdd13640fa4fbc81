package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Defaults of Config, HAProxy's inter, fall and rise. Production configurations
// of it use the same figures, and an OMFLOW Server answers both checks in well
// under 20 ms when it is well.
const (
	DefaultInterval = 2 * time.Second
	DefaultTimeout  = 2 * time.Second
	DefaultFall     = 3
	DefaultRise     = 2

	// startupInterval is how often a server that has not answered yet is asked
	// during Startup: the time it adds to a start must not be felt.
	startupInterval = 250 * time.Millisecond
)

// Config says what a Prober asks, how often, and when it believes the answers.
type Config struct {
	// Live asks whether the process answers. Default none: Ready stands for both.
	Live *Check
	// Ready asks whether the server can work. It is put only when Live was just
	// answered well. Default none: Live stands for both.
	Ready *Check
	// Interval is from the beginning of one round to the beginning of the next.
	// A round that takes longer is followed by the next at once. Default 2s.
	Interval time.Duration
	// Timeout bounds each check, from dialling to the end of the body.
	// Default 2s.
	Timeout time.Duration
	// Fall is how many failures in a row bring a state down. Default 3.
	Fall int
	// Rise is how many successes in a row bring a state up again. Default 2.
	Rise int
	// Startup is how long after Run failures of Live do not count, for a server
	// that is just being started. It ends with the first success. Meanwhile the
	// server is asked every 250 ms if Interval is longer. Default 0.
	Startup time.Duration
	// Transport carries the requests. Default: plain TCP, a connection a check,
	// no proxy from the environment.
	Transport http.RoundTripper
}

// Validate refuses what cannot work. Zero values stand for the defaults.
func (c Config) Validate() error {
	if c.Live == nil && c.Ready == nil {
		return errors.New("health: neither a live nor a ready check is given")
	}
	for _, check := range []*Check{c.Live, c.Ready} {
		if check == nil {
			continue
		}
		if err := check.Validate(); err != nil {
			return fmt.Errorf("health: %w", err)
		}
	}
	if c.Interval < 0 || c.Timeout < 0 || c.Startup < 0 {
		return errors.New("health: interval, timeout and startup must not be negative")
	}
	if c.Fall < 0 || c.Rise < 0 {
		return errors.New("health: fall and rise must not be negative")
	}
	return nil
}

// Status is what a Prober knows of a server.
type Status struct {
	// Live tells whether the process answers.
	Live State
	// Ready tells whether the server can work. It is never Up while Live is not.
	Ready State
	// LiveReason says why the latest live check failed; empty if it did not.
	LiveReason string
	// ReadyReason says why the latest ready check failed, or that of Live when
	// Ready could not be asked; empty if it did not.
	ReadyReason string
}

// Prober watches servers by one Config. Any number of Runs may share it.
type Prober struct {
	cfg Config
}

// New returns a Prober with cfg's defaults filled in.
func New(cfg Config) (*Prober, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Fall == 0 {
		cfg.Fall = DefaultFall
	}
	if cfg.Rise == 0 {
		cfg.Rise = DefaultRise
	}
	if cfg.Transport == nil {
		cfg.Transport = transport()
	}
	return &Prober{cfg: cfg}, nil
}

func transport() http.RoundTripper {
	return &http.Transport{
		DialContext:            (&net.Dialer{KeepAlive: -1}).DialContext,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// Run asks the server at target, a host and port, until ctx is done. The first
// round begins at once. The channel it returns gives the newest Status after
// each change; a reader that is slow misses what lay between, never the last.
// It is closed when the watching has ended.
func (p *Prober) Run(ctx context.Context, target string) <-chan Status {
	changes := make(chan Status, 1)
	w := &watch{
		cfg:    p.cfg,
		target: target,
		live:   RiseFall{Rise: p.cfg.Rise, Fall: p.cfg.Fall},
		ready:  RiseFall{Rise: p.cfg.Rise, Fall: p.cfg.Fall},
	}
	go func() {
		defer close(changes)
		w.run(ctx, changes)
	}()
	return changes
}

// watch is one Run: what is known of one server.
type watch struct {
	cfg         Config
	target      string
	live, ready RiseFall
	told        Status
}

func (w *watch) run(ctx context.Context, changes chan Status) {
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		round := time.Now()
		starting := w.live.State() == Unknown && round.Sub(begun) < w.cfg.Startup
		status := w.round(ctx, starting)
		if ctx.Err() != nil {
			return // a check that was broken off says nothing of the server
		}
		if status != w.told {
			w.told = status
			select {
			case <-changes: // the reader was slow; this one takes its place
			default:
			}
			changes <- status
		}
		next := w.cfg.Interval
		if starting && status.Live == Unknown {
			next = min(next, startupInterval)
		}
		timer.Reset(max(0, next-time.Since(round)))
	}
}

// round asks once and takes the answers into account.
func (w *watch) round(ctx context.Context, starting bool) Status {
	var liveErr, readyErr error
	switch {
	case w.cfg.Live == nil:
		readyErr = w.ask(ctx, w.cfg.Ready)
		liveErr = readyErr
	case w.cfg.Ready == nil:
		liveErr = w.ask(ctx, w.cfg.Live)
		readyErr = liveErr
	default:
		if liveErr = w.ask(ctx, w.cfg.Live); liveErr != nil {
			readyErr = liveErr
		} else {
			readyErr = w.ask(ctx, w.cfg.Ready)
		}
	}
	if !starting || liveErr == nil {
		w.live.Observe(liveErr == nil)
		w.ready.Observe(readyErr == nil)
	}
	status := Status{Live: w.live.State(), Ready: w.ready.State()}
	if status.Live != Up && status.Ready == Up {
		// Both checks rise at one pace, but a live check that comes and goes
		// must not leave a server in use that is said not to answer.
		status.Ready = status.Live
	}
	if liveErr != nil {
		status.LiveReason = liveErr.Error()
	}
	if readyErr != nil {
		status.ReadyReason = readyErr.Error()
	}
	return status
}

func (w *watch) ask(ctx context.Context, check *Check) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	err := check.Do(ctx, w.cfg.Transport, w.target)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: no answer within %s", check.method(), clean(check.URI, MaxReason/3), w.cfg.Timeout)
	}
	return err
}
