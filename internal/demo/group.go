package demo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// stopTime is how long a process may take to end before it is killed: agents wait
// for their servers.
const stopTime = 20 * time.Second

// group is the processes that run.
type group struct {
	dir, program string
	processes    []*process
	// ended gets an error when a process ends by itself.
	ended chan error
}

type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// start runs the program with these arguments; its output goes to <name>.log.
func (g *group) start(name string, args ...string) error {
	path := filepath.Join(g.dir, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(g.program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir)
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	g.processes = append(g.processes, p)
	go func() {
		err := cmd.Wait()
		close(p.done)
		if err == nil {
			err = errors.New("it ended")
		}
		g.ended <- fmt.Errorf("%s ended: %w; see %s", name, err, path)
	}()
	return nil
}

// stop ends all processes, the last started first: agents, booster, database.
// Those of one kind end side by side.
func (g *group) stop() error {
	var errs []error
	agents := g.processes[min(2, len(g.processes)):]
	others := slices.Clone(g.processes[:min(2, len(g.processes))])
	slices.Reverse(others)
	for _, p := range agents {
		p.terminate()
	}
	for _, p := range append(slices.Clone(agents), others...) {
		p.terminate()
		select {
		case <-p.done:
		case <-time.After(stopTime):
			errs = append(errs, fmt.Errorf("%s did not end within %s and was killed", p.name, stopTime))
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	return errors.Join(errs...)
}
