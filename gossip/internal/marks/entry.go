package marks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MaxKey and MaxValue bound an entry, so that one fits in a packet.
	MaxKey   = 128
	MaxValue = 512

	// MaxEntries bounds the map, tombstones included.
	MaxEntries = 4096

	maxWriter = 63 // a node's name

	// maxCounter keeps a counter exact in JSON (RFC 7493 section 2.2) and far
	// from overflow: a cluster that is told a thousand things a second reaches
	// it after 285,000 years.
	maxCounter = 1 << 53

	formatVersion = 1
	flagDeleted   = 1
)

// standing is what it means that something is not in a node's map. On the wire it is the
// flags of a whole map.
type standing byte

const (
	// here: the node has been among the others, and what it does not have was deleted.
	here standing = 0
	// away: it was away for so long that what it has may have been deleted since.
	away standing = 1
	// blank: it has begun with nothing, and there may be more than it knows.
	blank standing = 2
)

// Entry is one key's newest version.
type Entry struct {
	Key     string `json:"key"`
	Value   string `json:"value,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	// Counter and Writer are the version.
	Counter uint64 `json:"counter"`
	Writer  string `json:"writer"`
}

// newer says whether e replaces o.
func (e Entry) newer(o Entry) bool {
	if e.Counter != o.Counter {
		return e.Counter > o.Counter
	}
	return e.Writer > o.Writer
}

func (e Entry) validate() error {
	if err := validKey(e.Key); err != nil {
		return err
	}
	if err := validValue(e.Value); err != nil {
		return err
	}
	switch {
	case e.Deleted && e.Value != "":
		return errors.New("a deleted mark has a value")
	case e.Counter == 0 || e.Counter > maxCounter:
		return fmt.Errorf("counter %d is out of range", e.Counter)
	case e.Writer == "" || len(e.Writer) > maxWriter || !utf8.ValidString(e.Writer):
		return errors.New("the writer is no node name")
	}
	return nil
}

func validKey(s string) error {
	if s == "" || len(s) > MaxKey || !utf8.ValidString(s) || strings.ContainsFunc(s, isControl) {
		return fmt.Errorf("mark key %.40q: write 1 to %d bytes of UTF-8 without control characters", s, MaxKey)
	}
	return nil
}

func validValue(s string) error {
	if len(s) > MaxValue || !utf8.ValidString(s) {
		return fmt.Errorf("mark value of %d bytes: write at most %d bytes of UTF-8", len(s), MaxValue)
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// encode writes entries as they travel:
//
//	format (1 byte) ‖ flags (1 byte) ‖ count ‖ entries
//	entry: flags (1 byte) ‖ counter ‖ key ‖ value ‖ writer
//
// Numbers are varints, texts have their length in front. The first flags are the
// sender's standing.
func encode(entries []Entry, st standing) []byte {
	b := make([]byte, 0, 16+64*len(entries))
	b = append(b, formatVersion, byte(st))
	b = binary.AppendUvarint(b, uint64(len(entries)))
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, e := range entries {
		flags := byte(0)
		if e.Deleted {
			flags = flagDeleted
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, e.Counter)
		text(e.Key)
		text(e.Value)
		text(e.Writer)
	}
	return b
}

// decode reads what encode wrote. It fails as a whole if anything is wrong
// with it, and allocates no more than the bytes that are really there.
func decode(b []byte) (entries []Entry, st standing, err error) {
	if len(b) < 2 {
		return nil, here, errors.New("decode marks: cut short")
	}
	if b[0] != formatVersion {
		return nil, here, fmt.Errorf("decode marks: format %d is unknown", b[0])
	}
	if st = standing(b[1]) & (away | blank); st&away != 0 {
		st = away
	}
	r := reader{b: b[2:]}
	n := r.uint()
	if n > MaxEntries {
		return nil, here, fmt.Errorf("decode marks: %d entries, more than %d", n, MaxEntries)
	}
	for range n {
		flags := r.byte()
		e := Entry{Deleted: flags&flagDeleted != 0, Counter: r.uint(), Key: r.text(MaxKey), Value: r.text(MaxValue), Writer: r.text(maxWriter)}
		if r.failed {
			return nil, here, errors.New("decode marks: cut short or a text is too long")
		}
		if err := e.validate(); err != nil {
			return nil, here, fmt.Errorf("decode marks: %w", err)
		}
		entries = append(entries, e)
	}
	if r.failed || len(r.b) != 0 {
		return nil, here, errors.New("decode marks: cut short or too long")
	}
	return entries, st, nil
}

type reader struct {
	b      []byte
	failed bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text(limit int) string {
	n := r.uint()
	if r.failed || n > uint64(limit) || n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
