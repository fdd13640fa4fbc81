package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/pair/vip"
)

// remover takes the address off, and tells whether it was there.
type remover interface{ TakeOff() (was bool, err error) }

// guardAddress is the guard of an address. fd is its connection to the holder.
func guardAddress(cidr, iface string, fd int, log *slog.Logger) error {
	c, err := vip.Parse(cidr, iface)
	if err != nil {
		return err
	}
	a, err := c.Open()
	if err != nil {
		return err
	}
	defer a.Close()
	// The priority is a thread's on Linux. Without the right to it, as is
	// usual, the guard runs as others do.
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	g := addressGuard{fd: fd, address: a, log: log}
	if err := g.say(ready); err != nil {
		return fmt.Errorf("say ready: %w", err)
	}
	g.run()
	return nil
}

type addressGuard struct {
	fd      int
	address remover
	log     *slog.Logger
	until   time.Duration // 0: nothing is held
}

// run guards until the holder is gone.
func (g *addressGuard) run() {
	for {
		holder, err := g.listen()
		if err != nil {
			g.log.Error("guard can't hear its holder", "error", err)
		}
		switch {
		case err != nil || !holder:
			if g.until != 0 {
				g.remove("the booster is gone")
			}
			return
		case g.until != 0 && boottime.Now() >= g.until:
			g.remove("the booster's time as the active one ran out")
			g.until = 0
			if err := g.say(saysRemoved); err != nil {
				g.log.Error("guard can't tell its holder", "error", err)
			}
		}
	}
}

// listen waits for the holder until the deadline and takes all that it has
// said. holder is false when it is gone.
func (g *addressGuard) listen() (holder bool, err error) {
	wait := -1 // for ever
	if g.until != 0 {
		// Rounded up, so as not to be early and ask again in vain.
		left := max(0, g.until-boottime.Now())
		wait = int(min((left+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
	}
	for {
		fds := []unix.PollFd{{Fd: int32(g.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, wait)
		switch {
		case errors.Is(err, unix.EINTR):
			return true, nil // the wait is reckoned anew
		case err != nil:
			return false, fmt.Errorf("wait for holder: %w", err)
		case n == 0:
			return true, nil
		}
		wait = 0
		var b [9]byte
		n, err = unix.Read(g.fd, b[:])
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			return true, nil
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
			return false, nil
		case err != nil:
			return false, fmt.Errorf("read from holder: %w", err)
		case n != 8:
			return false, fmt.Errorf("read from holder: %d bytes instead of 8", n)
		}
		g.until = time.Duration(min(binary.LittleEndian.Uint64(b[:8]), math.MaxInt64))
	}
}

// remove takes the address off, trying again for as long as it takes: a
// machine that can't is one that must be looked at. What a holder that starves
// was given and had no time to add is not told of.
func (g *addressGuard) remove(why string) {
	for told := false; ; time.Sleep(lookEvery) {
		was, err := g.address.TakeOff()
		switch {
		case was:
			g.log.Warn(why + ": the virtual IP was taken off")
			return
		case err == nil:
			return
		case !told:
			told = true
			g.log.Error(why+", and the virtual IP can't be taken off", "error", err)
		}
	}
}

func (g *addressGuard) say(b byte) error {
	_, err := unix.Write(g.fd, []byte{b})
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return nil // listen finds out
	}
	return err
}
