package doctor

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"time"
	"unicode"
)

const (
	// grace is how long after its time a check may still say itself what it waited for.
	grace = time.Second
	// maxText bounds a detail or an advice, in bytes.
	maxText = 600
)

// Outcome is what came of a check.
type Outcome struct {
	Name string
	Result
	// Took is how long the check ran.
	Took time.Duration
}

// Run runs all checks at once and gives their outcomes in the checks' order, each as
// soon as it and those before it are there. When the caller stops early, or ctx ends,
// the checks that still run are told so.
func Run(ctx context.Context, checks []Check, secrets *Secrets) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		outcomes := make([]chan Outcome, len(checks))
		for i, c := range checks {
			outcomes[i] = make(chan Outcome, 1)
			go func() { outcomes[i] <- c.run(ctx) }()
		}
		for _, outcome := range outcomes {
			o := <-outcome
			o.Detail, o.Advice = secrets.hide(clean(o.Detail)), secrets.hide(clean(o.Advice))
			if !yield(o) {
				return
			}
		}
	}
}

// run runs one check, and no longer than it may.
func (c Check) run(ctx context.Context) Outcome {
	start := time.Now()
	timeout := cmp.Or(c.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := make(chan Result, 1)
	go func() { result <- c.Run(ctx) }()
	o := Outcome{Name: c.Name}
	select {
	case o.Result = <-result:
	case <-late(ctx):
		o.Result = failed("there was no answer within %s", timeout).advise("try again; if it stays so, look at what this check asks")
	}
	o.Took = time.Since(start)
	return o
}

// late is closed some time after ctx has ended.
func late(ctx context.Context) <-chan struct{} {
	c := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { close(c) }) })
	return c
}

// clean makes one harmless line of a text that may quote a stranger.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
	}
	return s
}
