package doctor

import (
	"context"
	"errors"
	"io"
)

// ServerPort checks that the port of the server that an agent starts is free, or that it
// is this very server that has it.
type ServerPort struct {
	// Address is the server's host:port.
	Address string
	// Recorded returns the process in which an agent has started the server and that
	// lives, 0 for none, see supervise.Recorded. Required.
	Recorded func() (pid int, err error)
	// Open opens a TCP port, to be closed again. Default: the machine's.
	Open func(ctx context.Context, network, address string) (io.Closer, error)
}

// Checks returns the check.
func (p ServerPort) Checks() []Check {
	return []Check{{Name: "server port", Run: p.check}}
}

func (p ServerPort) check(ctx context.Context) Result {
	open := p.Open
	if open == nil {
		open = openPort
	}
	opened, err := open(ctx, "tcp", p.Address)
	if err == nil {
		if err := opened.Close(); err != nil {
			return failed("%s was opened and cannot be closed: %v", p.Address, err).advise("try again")
		}
		return ok("%s is free", p.Address)
	}
	if errors.Is(err, errNoAddress) {
		return skipped("%s is no address of this machine: the server has another one here", p.Address)
	}
	if !errors.Is(err, errInUse) {
		return skipped("%v", err)
	}
	switch pid, err := p.Recorded(); {
	case err != nil:
		return skipped("%s is taken, and it can't be told whether by this server: %v", p.Address, err)
	case pid != 0:
		return ok("the server runs here already, as process %d", pid)
	}
	return failed("%s is taken, and not by a server that an agent has started", p.Address).
		advise("stop what has it (`ss -ltnp` shows it), and switch off what starts it at boot; or write another port, in `server` and in `run`")
}
