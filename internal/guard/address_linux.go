package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/boottime"
)

// saysRemoved is what an address guard says to its holder when it has taken
// the address off.
const saysRemoved = '-'

// respawnWait is the least time between two starts of an address guard.
const respawnWait = time.Second

// Address is the holder's side of an address guard. All methods may be called
// concurrently.
type Address struct {
	cfg     AddressConfig
	removed chan struct{}

	mu      sync.Mutex
	pipe    *os.File // nil: no guard
	last    time.Duration
	started time.Duration
	closed  bool
	wg      sync.WaitGroup
}

// StartAddress starts a guard and waits until it works. Until Extend is called
// it has nothing to do.
func StartAddress(c AddressConfig) (*Address, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("start address guard: %w", err)
	}
	a := &Address{cfg: c.withDefaults(), removed: make(chan struct{}, 1)}
	if err := a.start(); err != nil {
		return nil, fmt.Errorf("start address guard: %w: %w", ErrNoGuard, err)
	}
	return a, nil
}

// start starts a guard. Callers hold mu, or are alone.
func (a *Address) start() error {
	// Datagrams keep their bounds, and the end of either process is the end of
	// the connection.
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("make connection to guard: %w", err)
	}
	pipe, theirs := os.NewFile(uintptr(fds[0]), "guard"), os.NewFile(uintptr(fds[1]), "guard")
	cmd := command(a.cfg.Exe, a.cfg.Args, a.cfg.Env, kindAddress, a.cfg.Address.Prefix.String(), a.cfg.Address.Interface)
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		_ = pipe.Close()
		return fmt.Errorf("start guard: %w", err)
	}
	a.started = boottime.Now()
	pid := cmd.Process.Pid
	b := make([]byte, 1)
	_ = pipe.SetReadDeadline(time.Now().Add(spawnWait)) // fails for no socket
	if n, err := pipe.Read(b); err != nil || n != 1 || b[0] != ready {
		_ = pipe.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("it ended at once; its standard error says why")
		}
		return fmt.Errorf("start guard: %w", err)
	}
	_ = pipe.SetReadDeadline(time.Time{})
	a.pipe = pipe
	a.cfg.Logger.Info("guard started", "pid", pid, "address", a.cfg.Address)
	a.wg.Go(func() {
		a.listen(pipe)
		_ = cmd.Wait() // ProcessState says it all
		a.cfg.Logger.Info("guard ended", "pid", pid, "exit", cmd.ProcessState.String())
	})
	return nil
}

// listen waits for what the guard says until it ends.
func (a *Address) listen(pipe *os.File) {
	b := make([]byte, 1)
	for {
		n, err := pipe.Read(b)
		if err != nil || n == 0 {
			break
		}
		if b[0] == saysRemoved {
			a.tell()
		}
	}
	a.mu.Lock()
	if a.pipe == pipe {
		a.pipe = nil
	}
	closed := a.closed
	a.mu.Unlock()
	_ = pipe.Close() // ends the guard, if it has not ended
	if !closed {
		a.tell()
	}
}

// Removed has a value when the guard has taken the address off, or has ended and
// may have. A holder whose promise is good again adds the address anew.
func (a *Address) Removed() <-chan struct{} { return a.removed }

func (a *Address) tell() {
	select {
	case a.removed <- struct{}{}:
	default:
	}
}

// Extend says until when, by boottime, the holder may have the address; 0 for
// not at all, and then the guard leaves it alone: the holder removes it itself.
// It starts a guard anew if the old one was killed, at most once a second. On
// an error nobody guards the address: the holder must not add it.
func (a *Address) Extend(until time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return fmt.Errorf("extend address guard: %w", os.ErrClosed)
	}
	if a.pipe == nil {
		if until == 0 {
			return nil
		}
		if since := boottime.Now() - a.started; since < respawnWait {
			return fmt.Errorf("extend address guard: %w: the last one ended %v after its start", ErrNoGuard, since)
		}
		if err := a.start(); err != nil {
			return fmt.Errorf("extend address guard: %w: %w", ErrNoGuard, err)
		}
		a.last = 0
	}
	if until == a.last {
		return nil
	}
	b := make([]byte, 8)
	binary.LittleEndian.PutUint64(b, uint64(until))
	if err := send(a.pipe, b); err != nil {
		return fmt.Errorf("extend address guard: %w: %w", ErrNoGuard, err)
	}
	a.last = until
	return nil
}

// send never waits: a guard that does not read guards nothing. A deadline of
// the file's would strike a writer that had to wait for a processor too.
func send(pipe *os.File, b []byte) error {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Write(func(fd uintptr) bool {
		_, failed = unix.Write(int(fd), b)
		return !errors.Is(failed, unix.EINTR)
	})
	return errors.Join(err, failed)
}

// Close ends the guard, which takes the address off if it is still held, and
// waits for it.
func (a *Address) Close() error {
	a.mu.Lock()
	a.closed = true
	if a.pipe != nil {
		_ = a.pipe.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
	return nil
}
