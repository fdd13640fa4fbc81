package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

var (
	errStopped = errors.New("the server was stopped meanwhile")
	errEnded   = errors.New("the supervisor ended meanwhile")
	// errGone is the process of server.pid that has surely ended.
	errGone = errors.New("it has ended")
)

const (
	// noteAgain is between two attempts to write server.pid.
	noteAgain = 2 * time.Second
	// restGrace is the grace of what a process has left of its group that is gone itself.
	// It is as short as that of a lead server without a lease: this may be one's rest.
	restGrace = 2 * time.Second
	// maxStamp bounds Config.Stamp, in bytes.
	maxStamp = 1 << 10
)

// keeper is the Supervisor's one goroutine and all of its state.
type keeper struct {
	cfg   Config
	log   *slog.Logger
	board *board
	tail  *tail
	lock  *os.File

	want     bool     // a process should run
	proc     *process // the process, nil if there is none
	running  string   // hash of what proc was started with
	started  time.Time
	stamp    string // that proc was started with
	stopping bool   // proc was asked to end
	adopted  bool
	rest     bool // proc is what is left of a group whose first process is gone
	closing  bool // nothing is started any more
	ended    bool // the loop ends

	quick     int       // quick exits in a row
	launched  int       // processes started or adopted
	killAt    time.Time // when the grace of a stop is over
	kill      *time.Timer
	retry     *time.Timer
	note      *time.Timer // of the next attempt to write server.pid
	unwritten bool        // the last one failed
	lastExit  string

	stops  []chan<- error // who waits for the process to be gone
	starts []chan<- error // who waits for a new one
}

func (k *keeper) run(requests <-chan func(*keeper)) {
	k.kill, k.retry, k.note = time.NewTimer(0), time.NewTimer(0), time.NewTimer(0)
	k.kill.Stop()
	k.retry.Stop()
	k.note.Stop()
	for !k.ended {
		var exited <-chan exit
		if k.proc != nil {
			exited = k.proc.exited
		}
		select {
		case f := <-requests:
			f(k)
		case e := <-exited:
			k.gone(e)
		case <-k.kill.C:
			k.graceOver()
		case <-k.retry.C:
			k.launch()
		case <-k.note.C:
			k.write()
		}
	}
	k.kill.Stop()
	k.retry.Stop()
	k.note.Stop()
	if k.proc != nil {
		k.proc.abandon()
	}
	answer(&k.stops, errEnded)
	answer(&k.starts, errEnded)
	k.tail.close()
	k.lock.Close()
}

// show publishes a state.
func (k *keeper) show(state State, reason string) {
	s := Status{State: state, Since: time.Now(), Restarts: max(0, k.launched-1), LastExit: k.lastExit, Reason: reason}
	if k.proc != nil {
		s.PID, s.Since, s.Adopted, s.Stamp = k.proc.pid, k.started, k.adopted, k.stamp
	}
	k.board.set(s)
}

// answer tells all who wait. Their channels have room for the one answer.
func answer(waiting *[]chan<- error, err error) {
	for _, ch := range *waiting {
		ch <- err
	}
	*waiting = nil
}

func (k *keeper) start() {
	k.quick = 0
	k.want = !k.closing
	if k.proc == nil {
		k.launch()
	}
}

func (k *keeper) stop(grace time.Duration, done chan<- error) {
	k.want = false
	k.retry.Stop()
	answer(&k.starts, errStopped)
	if k.proc == nil {
		k.find()
	}
	if k.proc == nil {
		k.show(Stopped, "")
		done <- nil
		return
	}
	k.stops = append(k.stops, done)
	k.end(grace, "stop was asked for")
}

func (k *keeper) restart(grace time.Duration, reason string, done chan<- error) {
	if k.closing {
		done <- ErrClosed
		return
	}
	k.quick, k.want = 0, true
	k.starts = append(k.starts, done)
	if k.proc == nil {
		k.find() // a restart never ends in adopting the old process
	}
	if k.proc == nil {
		k.launch()
		return
	}
	k.end(grace, reason)
}

func (k *keeper) configure(cfg Config) (outdated bool, err error) {
	if cfg.Name != k.cfg.Name || cfg.StateDir != k.cfg.StateDir {
		return false, fmt.Errorf("supervise %s: name and state folder stay as they are", k.cfg.Name)
	}
	k.cfg, k.log = cfg, cfg.Logger
	k.tail.setLogger(cfg.Logger)
	return k.proc != nil && k.running != cfg.hash(), nil
}

// launch adopts or starts a process, if one is wanted.
func (k *keeper) launch() {
	k.retry.Stop()
	if !k.want || k.closing {
		return
	}
	if k.find(); k.proc != nil {
		if k.rest {
			k.endRest()
			return
		}
		if k.running != k.cfg.hash() {
			k.end(k.cfg.StopGrace, "it runs another command than the configured one")
			return
		}
		k.launched++
		k.log.Info("server adopted: it went on while no agent was there", "pid", k.proc.pid, "up_since", k.started)
		k.show(Running, "")
		answer(&k.starts, nil)
		return
	}
	k.show(Starting, "")
	stamp := ""
	if k.cfg.Stamp != nil {
		if stamp = k.cfg.Stamp(); len(stamp) > maxStamp {
			stamp = ""
		}
	}
	begun := time.Now()
	proc, err := startProcess(k.cfg, k.tail.out)
	if err != nil {
		k.lastExit = err.Error()
		k.failed(fmt.Sprintf("it cannot be started: %v", err), 0)
		answer(&k.starts, err)
		return
	}
	k.proc, k.running, k.started, k.stamp, k.adopted = proc, k.cfg.hash(), begun, stamp, false
	k.launched++
	k.log.Info("server started", "pid", proc.pid, "command", k.cfg.Command[0])
	k.write()
	k.show(Running, "")
	answer(&k.starts, nil)
}

// write writes down which process runs, now or as soon as it can be.
func (k *keeper) write() {
	if !canAdopt || k.proc == nil {
		return
	}
	r := k.proc.record(k.running)
	r.Stamp = k.stamp
	if err := r.save(k.cfg.StateDir); err != nil {
		if !k.unwritten {
			k.log.Error("the server could not be adopted after a crash of the agent; it is tried again", "error", err)
		}
		k.unwritten = true
		k.note.Reset(noteAgain)
		return
	}
	if k.unwritten {
		k.unwritten = false
		k.log.Info("the server can be adopted after a crash of the agent")
	}
}

// adopt takes over the process of an earlier supervisor, and starts none.
func (k *keeper) adopt() (found, outdated bool) {
	if k.closing {
		return false, false
	}
	if k.proc == nil {
		if k.find(); k.proc == nil {
			return false, false
		}
		if k.rest {
			k.endRest()
			return true, k.running != k.cfg.hash()
		}
		k.launched++
		k.log.Info("server adopted: it went on while no agent was there", "pid", k.proc.pid, "up_since", k.started)
		k.want = true
		k.show(Running, "")
	}
	return true, k.running != k.cfg.hash()
}

// find looks for the process of an earlier supervisor and makes it ours.
func (k *keeper) find() {
	if !canAdopt {
		return
	}
	r, ok, err := loadRecord(k.cfg.StateDir)
	if err != nil {
		k.log.Warn("a server that may still run cannot be adopted", "error", err)
		return
	}
	if !ok {
		return
	}
	proc, started, err := adoptProcess(r)
	switch {
	case err == nil:
		k.proc, k.running, k.started, k.stamp, k.adopted = proc, r.Hash, started, r.Stamp, true
	case errors.Is(err, errGone):
		k.log.Info("the server of server.pid is gone", "pid", r.PID, "reason", err)
		k.findRest(r)
	default:
		k.log.Warn("a server that may still run cannot be adopted", "pid", r.PID, "error", err)
	}
}

// findRest makes what the process of a record has left ours, which is gone itself. When
// that is nothing, the record is done with.
func (k *keeper) findRest(r record) {
	proc, started, err := adoptRest(r)
	switch {
	case err != nil:
		k.log.Warn("what may hold the server's port is left alone", "error", err)
	case proc != nil:
		k.proc, k.running, k.started, k.stamp, k.adopted, k.rest = proc, r.Hash, started, r.Stamp, true, true
	default:
		k.forget()
	}
}

// endRest ends what is left of a group, which would hold the port of the next process.
func (k *keeper) endRest() {
	k.end(min(restGrace, k.cfg.StopGrace), "its first process is gone, and others of it run")
}

// end asks the process to end and sees to it that it does.
func (k *keeper) end(grace time.Duration, reason string) {
	at := time.Now().Add(grace)
	if k.stopping && !at.Before(k.killAt) {
		return // already due sooner
	}
	if !k.stopping {
		k.stopping = true
		k.log.Info("server is being stopped", "pid", k.proc.pid, "grace", grace, "reason", reason)
		k.show(Stopping, reason)
		if grace > 0 {
			if err := k.proc.term(); err != nil {
				k.log.Warn("server cannot be asked to end and is killed", "pid", k.proc.pid, "error", err)
				at = time.Now()
			}
		}
	}
	k.killAt = at
	k.kill.Reset(max(0, time.Until(at)))
}

func (k *keeper) graceOver() {
	if k.proc == nil || !k.stopping {
		return
	}
	k.log.Warn("server is killed", "pid", k.proc.pid)
	if err := k.proc.kill(); err != nil {
		k.log.Error("server cannot be killed", "pid", k.proc.pid, "error", err)
	}
}

// gone takes note of a process that has ended.
func (k *keeper) gone(e exit) {
	asked, pid, uptime := k.stopping, k.proc.pid, time.Since(k.started)
	k.proc, k.stopping, k.adopted, k.rest, k.lastExit = nil, false, false, false, e.text
	k.kill.Stop()
	k.note.Stop()
	k.tail.pump(true)
	k.forget()
	if !asked {
		k.log.Error("server exited", "pid", pid, "exit", e.text, "uptime", uptime)
		k.failed(fmt.Sprintf("it exited %s after its start (%s)", round(uptime), e.text), uptime)
		return
	}
	k.log.Info("server stopped", "pid", pid, "exit", e.text, "uptime", uptime)
	if !k.want {
		k.show(Stopped, "")
	}
	answer(&k.stops, nil)
	k.launch()
}

// forget removes the record of a process that is gone.
func (k *keeper) forget() {
	if err := removeRecord(k.cfg.StateDir); err != nil {
		k.log.Warn("forget the process", "error", err)
	}
}

// failed decides what follows an exit that nobody asked for.
func (k *keeper) failed(what string, uptime time.Duration) {
	if uptime < k.cfg.QuickExit {
		k.quick++
	} else {
		k.quick = 0
	}
	if line := k.tail.lastLine(); line != "" && uptime > 0 {
		what += fmt.Sprintf("; its last output: %q", line)
	}
	if k.cfg.Once {
		k.want = false
		k.show(Stopped, what)
		return
	}
	if k.quick >= k.cfg.FatalAfter {
		k.want = false
		reason := fmt.Sprintf("given up after %d quick exits in a row: %s", k.quick, what)
		k.log.Error("server is not started again", "reason", reason)
		k.show(Fatal, reason)
		return
	}
	pause := k.cfg.backoff(max(1, k.quick))
	k.retry.Reset(pause)
	k.show(Backoff, fmt.Sprintf("%s; started again in %s", what, round(pause)))
}

// round makes a duration fit for a sentence.
func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
