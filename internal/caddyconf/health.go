package caddyconf

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow"
)

const (
	// maxCount bounds fall and rise.
	maxCount = 1000
	// minTime bounds interval and timeout: below it the checks would be a load of their own.
	minTime = 10 * time.Millisecond
)

// Health says how a server's health is checked.
type Health struct {
	// The path that tells whether the process answers, by any HTTP status from
	// 200 to 399. Default for OMFLOW: /rest/x, judged as OMFLOW's answer.
	Live string `json:"live,omitempty"`

	// The path that tells whether the server can work, by any HTTP status from
	// 200 to 399. Default for OMFLOW: a question that its database has to answer;
	// else the same as `live`.
	Ready string `json:"ready,omitempty"`

	// A text that the answer to `ready` must contain. Default: any answer.
	ReadyExpect string `json:"ready_expect,omitempty"`

	// The time from one check to the next. Default: 2s.
	Interval caddy.Duration `json:"interval,omitempty"`

	// How long a check may take. Default: 2s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How many failures in a row make a server count as down. Default: 3.
	Fall int `json:"fall,omitempty"`

	// How many successes in a row make it count as up again. Default: 2.
	Rise int `json:"rise,omitempty"`
}

// Config returns what a health.Prober needs, with the defaults filled in. For an
// OMFLOW Server its own checks are used, unless a path is given.
func (h *Health) Config(isOMFLOW bool) health.Config {
	if !isOMFLOW {
		return h.ConfigOf(nil)
	}
	return h.ConfigOf(omflow.DefaultTable())
}

// ConfigOf is Config for an OMFLOW Server of which the table knows the checks; nil is
// another server.
func (h *Health) ConfigOf(table *omflow.Table) health.Config {
	cfg := health.Config{
		Interval: health.DefaultInterval, Timeout: health.DefaultTimeout, Fall: health.DefaultFall, Rise: health.DefaultRise,
	}
	if table != nil {
		live, ready := table.Checks()
		cfg.Live, cfg.Ready = &live, &ready
	}
	if h == nil {
		return cfg
	}
	if h.Live != "" {
		cfg.Live = &health.Check{URI: h.Live}
	}
	if h.Ready != "" {
		cfg.Ready = &health.Check{URI: h.Ready, Expect: h.ReadyExpect}
	}
	if h.Interval != 0 {
		cfg.Interval = time.Duration(h.Interval)
	}
	if h.Timeout != 0 {
		cfg.Timeout = time.Duration(h.Timeout)
	}
	if h.Fall != 0 {
		cfg.Fall = h.Fall
	}
	if h.Rise != 0 {
		cfg.Rise = h.Rise
	}
	return cfg
}

// Validate refuses what cannot work. Zero values stand for the defaults.
func (h *Health) Validate(isOMFLOW bool) error {
	if h == nil {
		return nil
	}
	if h.ReadyExpect != "" && h.Ready == "" {
		return errors.New("health: ready_expect without ready: write the path to ask for")
	}
	for name, d := range map[string]caddy.Duration{"interval": h.Interval, "timeout": h.Timeout} {
		if d < 0 || d > 0 && time.Duration(d) < minTime {
			return fmt.Errorf("health: %s %s: write a duration such as 2s, %s at least", name, time.Duration(d), minTime)
		}
	}
	for name, n := range map[string]int{"fall": h.Fall, "rise": h.Rise} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("health: %s %d: write a number from 1 to %d", name, n, maxCount)
		}
	}
	if !isOMFLOW && h.Live == "" && h.Ready == "" {
		return nil // the caller knows whether there must be a check
	}
	return h.Config(isOMFLOW).Validate()
}

// UnmarshalCaddyfile reads the block; d is at the word "health".
//
//	health {
//		live     <uri>
//		ready    <uri> [<text to expect>]
//		interval <duration>
//		timeout  <duration>
//		fall     <n>
//		rise     <n>
//	}
func (h *Health) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := NoMore(d, "health"); err != nil {
		return err
	}
	known := []string{"live", "ready", "interval", "timeout", "fall", "rise"}
	return Options(d, "health", known, nil, func(option string) error {
		switch option {
		case "live":
			return path(d, &h.Live, nil)
		case "ready":
			return path(d, &h.Ready, &h.ReadyExpect)
		case "interval":
			return Duration(d, &h.Interval)
		case "timeout":
			return Duration(d, &h.Timeout)
		case "fall":
			return Number(d, &h.Fall, maxCount)
		default:
			return Number(d, &h.Rise, maxCount)
		}
	})
}

// path takes a path and, if expect is not nil, perhaps a text.
func path(d *caddyfile.Dispenser, to, expect *string) error {
	option, args := d.Val(), d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && expect == nil {
		if expect == nil {
			return d.Errf("%s takes a path: write it as in `%s /`", option, option)
		}
		return d.Errf("%s takes a path and perhaps one text to expect: quote a text with spaces", option)
	}
	if !strings.HasPrefix(args[0], "/") {
		return d.Errf("%s %q: write a path that begins with a slash", option, args[0])
	}
	*to = args[0]
	if len(args) == 2 {
		*expect = args[1]
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Health)(nil)
