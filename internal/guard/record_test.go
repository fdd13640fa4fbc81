package guard

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"
)

func TestRecord(t *testing.T) {
	good := record{state: held, deadline: 42 * time.Second, pid: 4242, start: 987, boot: bootSum("a")}
	for _, r := range []record{good, {state: awaited, boot: 7}, {state: released, boot: 7}} {
		if got, err := parseRecord(r.encode()); err != nil || got != r {
			t.Errorf("%+v comes back as %+v, %v", r, got, err)
		}
	}
	if _, err := parseRecord(nil); !errors.Is(err, errEmpty) {
		t.Errorf("an empty file: %v", err)
	}
	// sealed puts the right checksum on what was changed.
	sealed := func(change func([]byte)) []byte {
		b := good.encode()
		change(b)
		binary.LittleEndian.PutUint32(b[44:], crc32.Checksum(b[:44], castagnoli))
		return b
	}
	put := func(at int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[at:], v) }
	}
	for what, b := range map[string][]byte{
		"too short":       good.encode()[:recordSize-1],
		"too long":        append(good.encode(), 0),
		"another version": sealed(func(b []byte) { b[7] = 2 }),
		"torn":            func() []byte { b := good.encode(); b[20] ^= 1; return b }(),
		"no state":        sealed(put(8, 0)),
		"another state":   sealed(put(8, 4)),
		"everybody":       sealed(put(24, 1)),
		"no process":      sealed(put(24, 0)),
		"negative":        sealed(put(24, 1<<63)),
		"huge":            sealed(put(24, maxPID+1)),
		"no start":        sealed(put(32, 0)),
		"deadline":        sealed(put(16, 1<<63)),
	} {
		if r, err := parseRecord(b); err == nil || r != (record{}) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(record{state: held, deadline: 1, pid: 2, start: 1}.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		switch {
		case err != nil && r != (record{}):
			t.Errorf("an error and a record: %+v, %v", r, err)
		case err == nil && r.state == held && (r.pid < 2 || r.deadline < 0):
			t.Errorf("a dangerous record: %+v", r)
		}
	})
}
