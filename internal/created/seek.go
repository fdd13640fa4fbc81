package created

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

const (
	// SeekTime is how long a create is looked for: that is how much longer its client
	// waits, at most, for an answer that tells it nothing.
	SeekTime = 10 * time.Second
	// MaxSeeks is how many are looked for at once. A server has as many as its capacity
	// when it dies, 8 by default.
	MaxSeeks = 64
	// Grace is how long a process is gone before its end counts for what it had sent to
	// the database.
	Grace = 2 * time.Second
	// Again is the pause between looks.
	Again = time.Second
	// quickTime is how long a look may take, the way of its messages included, to prove that
	// there is no ticket: a question is about tickets since the create was sent, and by how
	// long it was on its way it asks for too few.
	quickTime = time.Second
	// settleTime bounds the wait for other creates at one look. A slow one takes half a
	// second.
	settleTime = 3 * time.Second
)

// Outcome is what became of a create.
type Outcome uint8

const (
	// Unknown: nobody can tell.
	Unknown Outcome = iota
	// Found: it opened a ticket.
	Found
	// Nothing: it opened none and will open none.
	Nothing
)

// Fate is what was found out of a create.
type Fate struct {
	Outcome Outcome
	// No is the ticket's number if it was found. It is the caller's alone.
	No int64
}

// Config is a Seeker's.
type Config struct {
	// Look asks the agent of a server. It returns when the process is gone that the create
	// was sent to, or fails, with ErrRuns when it is not. Required.
	Look func(ctx context.Context, server string, q Question) (Answer, error)
	// Settle asks all boosters, this one included, which of the numbers none of them has
	// given away. It fails when one is missing that may have answered creates since then.
	// Required.
	Settle func(ctx context.Context, s Settle, since time.Time) (open []int64, err error)
	// Reserve notes a number in the books of all boosters, and reports false when it was
	// given away already, to another create. Of two that ask for the same number one gets
	// it: one booster decides. When it fails it may be noted in some; it can be asked for
	// again then. Required.
	Reserve func(ctx context.Context, r Reserve) (bool, error)
	// Logger is told why nothing was found out. Required.
	Logger *slog.Logger
}

// Validate refuses what can't work.
func (c Config) Validate() error {
	if c.Look == nil || c.Settle == nil || c.Reserve == nil || c.Logger == nil {
		return errors.New("created: a part is missing")
	}
	return nil
}

// Seeker finds out what became of creates. New makes one; any number of goroutines may call
// Seek.
type Seeker struct {
	cfg   Config
	seeks chan struct{} // has a value for each that is under way
}

// New returns a Seeker.
func New(cfg Config) (*Seeker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Seeker{cfg: cfg, seeks: make(chan struct{}, MaxSeeks)}, nil
}

// Seek finds out what became of a create, within SeekTime or until ctx ends.
func (s *Seeker) Seek(ctx context.Context, lost Lost) Fate {
	select {
	case s.seeks <- struct{}{}:
		defer func() { <-s.seeks }()
	default:
		s.cfg.Logger.Warn("too many creates have lost their server to find out what became of them", "most", MaxSeeks)
		return Fate{}
	}
	ctx, cancel := context.WithTimeout(ctx, SeekTime)
	defer cancel()
	fate, err := s.seek(ctx, lost)
	if err != nil {
		s.cfg.Logger.Info("it can't be found out what became of a create whose server died", "server", lost.Server, "flow", lost.Flow, "error", err)
	}
	return fate
}

// ErrRuns is Config.Look's error when the process that had the create goes on running.
var ErrRuns = errors.New("the server's process goes on")

// errNoProof: there are new tickets of which nobody knows whose they are.
var errNoProof = errors.New("there are tickets that nobody was told of, and none is surely this create's")

func (s *Seeker) seek(ctx context.Context, lost Lost) (Fate, error) {
	q := Question{ID: rand.Text(), Flow: lost.Flow, User: lost.User, Columns: lost.Columns, After: lost.After}
	clean := 0    // looks after the grace that have found nothing
	runs := false // it was said once that the process goes on
	for reason := error(nil); ; {
		begun := time.Now()
		q.Age = begun.Sub(lost.Sent)
		a, err := s.cfg.Look(ctx, lost.Server, q)
		if errors.Is(err, ErrRuns) && !runs {
			runs = true // the first question may have taken so long that the create seemed to be newer
			continue
		}
		if err != nil {
			return Fate{}, errors.Join(reason, err)
		}
		looked := time.Now()
		fate, none, err := s.judge(ctx, lost, q.ID, a)
		switch {
		case fate.Outcome == Found:
			return fate, nil
		case err != nil:
			clean, reason = 0, err
		case !none:
			clean, reason = 0, errNoProof
		case a.Pending != "":
			clean, reason = 0, errors.New(a.Pending)
		case a.Ended >= Grace && looked.Sub(begun) < quickTime:
			if clean++; clean == 2 {
				return Fate{Outcome: Nothing}, nil
			}
		}
		wait := Again
		if a.Ended < Grace {
			wait = max(100*time.Millisecond, Grace-a.Ended)
		}
		select {
		case <-time.After(time.Until(looked.Add(wait))):
		case <-ctx.Done():
			return Fate{}, errors.Join(reason, ctx.Err())
		}
	}
}

// judge makes out what one look proves. none is true when there is no ticket that could be
// the create's.
func (s *Seeker) judge(ctx context.Context, lost Lost, id string, a Answer) (fate Fate, none bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	open, err := s.cfg.Settle(ctx, Settle{For: id, Flow: lost.Flow, Numbers: slices.Concat(a.Equal, a.Other)}, lost.Sent)
	if err != nil {
		return Fate{}, false, fmt.Errorf("find out which tickets were given away: %w", err)
	}
	taken := 0
	for _, no := range open {
		if !slices.Contains(a.Equal, no) {
			continue
		}
		ok, err := s.cfg.Reserve(ctx, Reserve{For: id, Flow: lost.Flow, No: no})
		if err != nil {
			return Fate{}, false, fmt.Errorf("reserve a ticket's number: %w", err)
		}
		if ok {
			return Fate{Outcome: Found, No: no}, false, nil
		}
		taken++ // by another one that says the same
	}
	return Fate{}, len(open) == taken, nil
}
