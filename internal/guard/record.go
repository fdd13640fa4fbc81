package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
)

// state says what a record asks of a guard.
type state uint64

const (
	awaited  state = 1 // a process will be held soon
	held     state = 2 // kill it when the deadline has passed
	released state = 3 // nothing more to do
)

// recordSize is small enough for one block of any file system: a power failure
// leaves the old or the new record, and of a torn one the checksum tells.
const recordSize = 56

// maxPID is above the kernel's own limit (2^22, proc_sys_kernel(5)).
const maxPID = 1 << 30

var (
	magic      = [8]byte{'O', 'M', 'F', 'L', 'O', 'W', 'G', 1}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// record is what the state file says.
type record struct {
	state    state
	deadline time.Duration // by boottime
	pid      int           // also the id of its process group
	start    uint64        // clock ticks after boot
	boot     uint32        // bootSum of the boot that pid and deadline are of
}

// bootSum shortens a boot id to what tells one boot of a machine from the next.
func bootSum(id string) uint32 { return crc32.Checksum([]byte(id), castagnoli) }

func (r record) encode() []byte {
	b := make([]byte, recordSize)
	copy(b, magic[:])
	le := binary.LittleEndian
	le.PutUint64(b[8:], uint64(r.state))
	le.PutUint64(b[16:], uint64(r.deadline))
	le.PutUint64(b[24:], uint64(r.pid))
	le.PutUint64(b[32:], r.start)
	le.PutUint32(b[40:], r.boot)
	le.PutUint32(b[44:], crc32.Checksum(b[:44], castagnoli))
	return b
}

// errEmpty: the file was just made.
var errEmpty = errors.New("the file is empty")

// parseRecord reads a record. One that holds no process has pid 0.
func parseRecord(b []byte) (record, error) {
	if len(b) == 0 {
		return record{}, errEmpty
	}
	le := binary.LittleEndian
	switch {
	case len(b) != recordSize:
		return record{}, fmt.Errorf("it has %d bytes instead of %d", len(b), recordSize)
	case [8]byte(b) != magic:
		return record{}, errors.New("it is no guard's file, or one of another version")
	case le.Uint32(b[44:]) != crc32.Checksum(b[:44], castagnoli):
		return record{}, errors.New("its checksum is wrong")
	}
	r := record{state: state(le.Uint64(b[8:])), boot: le.Uint32(b[40:])}
	switch r.state {
	case awaited, released:
		return r, nil
	case held:
	default:
		return record{}, fmt.Errorf("state %d is not known", r.state)
	}
	deadline, pid := le.Uint64(b[16:]), le.Uint64(b[24:])
	r.start = le.Uint64(b[32:])
	// A process number of 1 or below would make a signal to its group one to
	// everybody (kill(2)).
	if deadline > math.MaxInt64 || pid < 2 || pid > maxPID || r.start == 0 {
		return record{}, fmt.Errorf("deadline %d, process %d, start %d identify no process", deadline, pid, r.start)
	}
	r.deadline, r.pid = time.Duration(deadline), int(pid)
	return r, nil
}
