package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

var (
	// ErrClosed is what methods return after Close.
	ErrClosed = errors.New("the supervisor has ended")
	// ErrInUse is returned by New when another Supervisor, in this process or
	// another, has StateDir.
	ErrInUse = errors.New("another supervisor holds the state folder")
)

// killWait is how long Close waits for a process to vanish after KILL. One that
// is stuck in the kernel does not, and must not keep the agent from ending.
const killWait = 5 * time.Second

// Supervisor keeps one server process. All methods may be called concurrently.
type Supervisor struct {
	board    board
	requests chan func(*keeper)
	done     chan struct{} // closed when the keeper has ended
	closing  sync.Mutex    // one Close at a time
}

// New returns a Supervisor for cfg. It starts nothing yet: see Start. The
// caller must end it with Close.
func New(cfg Config) (*Supervisor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("supervise %s: make state folder: %w", cfg.Name, err)
	}
	lock, err := lockDir(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("supervise %s: lock %s: %w", cfg.Name, cfg.StateDir, err)
	}
	tail, err := openTail(cfg.StateDir, cfg.Logger)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("supervise %s: %w", cfg.Name, err)
	}
	s := &Supervisor{requests: make(chan func(*keeper)), done: make(chan struct{})}
	s.board.status = Status{State: Stopped, Since: time.Now()}
	s.board.subs = map[chan Status]struct{}{}
	k := &keeper{cfg: cfg, log: cfg.Logger, board: &s.board, tail: tail, lock: lock}
	go func() {
		defer close(s.done)
		k.run(s.requests)
		s.board.close()
	}()
	return s, nil
}

// ask runs f on the keeper's goroutine.
func (s *Supervisor) ask(f func(*keeper)) error {
	ran := make(chan struct{})
	select {
	case s.requests <- func(k *keeper) { defer close(ran); f(k) }:
		<-ran
		return nil
	case <-s.done:
		return ErrClosed
	}
}

// await runs f, which arranges for one answer on the channel it is given, and
// waits for that answer or the end of ctx.
func (s *Supervisor) await(ctx context.Context, f func(*keeper, chan<- error)) error {
	answer := make(chan error, 1)
	if err := s.ask(func(k *keeper) { f(k, answer) }); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// State returns a snapshot.
func (s *Supervisor) State() Status { return s.board.get() }

// Changes returns a channel that gives the present Status at once and the
// newest after each change; a slow reader misses what lay between. The channel
// is closed by cancel, which must be called, and when the Supervisor ends.
func (s *Supervisor) Changes() (changes <-chan Status, cancel func()) {
	return s.board.subscribe()
}

// Start wants the server running: a living process of an earlier supervisor is
// adopted, else one is started. It does nothing when there is a process
// already, ends a pause, and leaves Fatal. It does not wait; a start that fails
// shows in State and is tried again like a quick exit.
func (s *Supervisor) Start() error {
	return s.ask((*keeper).start)
}

// Adopt is Start for a process that lives already: it is taken over, and none is
// started. found tells whether there is one, outdated that it was started with
// another Command, Dir or Env than the present ones. One of which only a part of
// its group is left is found, too, and is being ended: the state is Stopping
// until that is gone, and Stopped then.
func (s *Supervisor) Adopt() (found, outdated bool, err error) {
	err = s.ask(func(k *keeper) { found, outdated = k.adopt() })
	return found, outdated, err
}

// Stop ends the process, or one that an earlier supervisor left behind, and
// returns when it and its group are gone. If ctx ends first, its error is
// returned and the stopping goes on.
func (s *Supervisor) Stop(ctx context.Context) error {
	return s.await(ctx, func(k *keeper, answer chan<- error) { k.stop(k.cfg.StopGrace, answer) })
}

// StopFast is Stop with another grace between TERM and KILL. It shortens a
// Stop that is under way; 0 kills at once.
func (s *Supervisor) StopFast(ctx context.Context, grace time.Duration) error {
	return s.await(ctx, func(k *keeper, answer chan<- error) { k.stop(grace, answer) })
}

// Restart ends the process, if there is one, and starts another, whatever the
// state is. It returns when the new process has been started, or with the
// reason why it could not be. If ctx ends first, its error is returned and the
// restart goes on.
func (s *Supervisor) Restart(ctx context.Context) error {
	return s.await(ctx, func(k *keeper, answer chan<- error) { k.restart(k.cfg.StopGrace, "restart was asked for", answer) })
}

// Replace is Restart for a process that is past help: it gets only the given
// grace between TERM and KILL. Reason is what State shows meanwhile.
func (s *Supervisor) Replace(ctx context.Context, grace time.Duration, reason string) error {
	return s.await(ctx, func(k *keeper, answer chan<- error) { k.restart(grace, reason, answer) })
}

// Configure takes another Config for the same Name and StateDir. Command, Dir
// and Env are used from the next start on; outdated tells that they differ from
// what the present process was started with, so that only a Restart brings
// them into force. The rest holds at once.
func (s *Supervisor) Configure(cfg Config) (outdated bool, err error) {
	if err := cfg.Validate(); err != nil {
		return false, err
	}
	cfg = cfg.withDefaults()
	askErr := s.ask(func(k *keeper) { outdated, err = k.configure(cfg) })
	if askErr != nil {
		return false, askErr
	}
	return outdated, err
}

// Close stops the server like Stop and ends the Supervisor. If ctx ends first,
// the process is killed. An error says that it could not be got rid of.
func (s *Supervisor) Close(ctx context.Context) error {
	s.closing.Lock()
	defer s.closing.Unlock()
	err := s.await(ctx, func(k *keeper, answer chan<- error) {
		k.closing = true // from here on nothing is started
		k.stop(k.cfg.StopGrace, answer)
	})
	if errors.Is(err, ErrClosed) {
		return nil
	}
	if err != nil {
		kill, cancel := context.WithTimeout(context.Background(), killWait)
		err = s.StopFast(kill, 0)
		cancel()
	}
	s.end()
	if err != nil {
		return fmt.Errorf("the process did not vanish after it was killed: %w", err)
	}
	return nil
}

func (s *Supervisor) end() {
	if err := s.ask(func(k *keeper) { k.ended = true }); err == nil {
		<-s.done
	}
}
