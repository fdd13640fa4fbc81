package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/boottime"
)

// shelf is an interface that may have the address. Each of errs fails one attempt first.
type shelf struct {
	has  bool
	errs []error
}

func (s *shelf) TakeOff() (was bool, err error) {
	if len(s.errs) > 0 {
		err, s.errs = s.errs[0], s.errs[1:]
		return false, err
	}
	was, s.has = s.has, false
	return was, nil
}

// TestTakenOffIsToldOnce: each time that the address was really taken off is told of, and
// no other. A holder that gets hardly any processor time is given the address again and
// again, and has no time to add it.
func TestTakenOffIsToldOnce(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	holder := ends[0]
	defer unix.Close(ends[1])
	if err := unix.SetNonblock(ends[1], true); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	on := &shelf{}
	g := addressGuard{fd: ends[1], address: on, log: slog.New(slog.NewTextHandler(&log, nil))}
	ended := make(chan struct{})
	go func() { defer close(ended); g.run() }()
	// given says that the holder may have the address, for a time that is over, and waits
	// until it is taken off.
	given := func(added bool, errs ...error) {
		t.Helper()
		on.has, on.errs = added, errs // the guard looks only when it has been told
		if _, err := unix.Write(holder, binary.LittleEndian.AppendUint64(nil, uint64(boottime.Now()-time.Millisecond))); err != nil {
			t.Fatal(err)
		}
		var said [1]byte
		if n, err := unix.Read(holder, said[:]); n != 1 || err != nil || said[0] != saysRemoved {
			t.Fatalf("the guard says %q, %v", said[:n], err)
		}
	}
	told := func(times int, text string) {
		t.Helper()
		if got := strings.Count(log.String(), text); got != times {
			t.Errorf("%q is told %d times, not %d: %s", text, got, times, &log)
		}
	}
	const ranOut, off = "time as the active one ran out", "the virtual IP was taken off"
	given(true)
	for range 3 {
		given(false)
	}
	told(1, off)
	given(true, errors.New("busy"), errors.New("busy"))
	told(2, ranOut+": "+off)
	told(1, "can't be taken off")

	on.has = true
	if _, err := unix.Write(holder, binary.LittleEndian.AppendUint64(nil, uint64(boottime.Now()+time.Minute))); err != nil {
		t.Fatal(err)
	}
	unix.Close(holder)
	<-ended
	told(1, "the booster is gone: "+off)
	if on.has {
		t.Error("the address stays")
	}
}
