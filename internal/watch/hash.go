package watch

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"
)

// noLease is the reason why a file's writers cannot be known. Only quiet time
// counts then.
type noLease string

func (e noLease) Error() string { return "look for a writer: " + string(e) }

// verdict is what came of reading a file.
type verdict int

const (
	hashed      verdict = iota
	busy                // a process has it open for writing
	moved               // it is not what the scan saw
	failed              // file.failure says why
	interrupted         // somebody wants the goroutine
)

// hasher reads files.
type hasher struct {
	cfg        *Config
	network    string // the kind of network file system, or ""
	writerOpen func(*os.File) (bool, error)
	interrupt  func() bool // asked between pieces of files; the Watcher asks between files
	copies     func(*file) Copy

	sum  hash.Hash
	buf  []byte
	left *part // what was interrupted; nil: nothing
}

func newHasher(cfg *Config, interrupt func() bool) *hasher {
	return &hasher{cfg: cfg, writerOpen: writerOpen, interrupt: interrupt, sum: sha256.New(), buf: make([]byte, 256<<10)}
}

// read hashes f, if it is complete and still what the scan saw. One that was read
// ahead is not read again. The second result is the reason why its writers are not
// known, or "".
func (h *hasher) read(root *os.Root, f *file) (verdict, string) {
	r, err := root.OpenFile(f.path, os.O_RDONLY|openFlags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return moved, ""
	}
	if err != nil {
		f.failure = readFailure(err)
		return failed, ""
	}
	defer r.Close()
	v, blind := h.check(r, f)
	if v != hashed {
		return v, blind
	}
	if f.ahead && f.recheck.IsZero() {
		return hashed, blind
	}
	p := h.goOn(f)
	switch v = h.content(r, p); v {
	case hashed:
		f.sum = p.to.Keep()
		f.hashed, f.failure = true, ""
		f.recheck = h.recheckAt(f, p.began)
	case interrupted:
		h.leave(p)
	default:
		p.to.Discard()
	}
	return v, blind
}

// begin says where the content of f goes.
func (h *hasher) begin(f *file) Copy {
	if h.copies != nil {
		if c := h.copies(f); c != nil {
			return c
		}
	}
	h.sum.Reset()
	return hashOnly{h.sum}
}

// hashOnly is a Copy that keeps nothing.
type hashOnly struct{ hash.Hash }

// Keep implements Copy.
func (c hashOnly) Keep() (sum [32]byte) {
	c.Sum(sum[:0])
	return sum
}

// Discard implements Copy.
func (c hashOnly) Discard() {}

// content reads the rest of a file, if nobody writes to it meanwhile.
func (h *hasher) content(r *os.File, p *part) verdict {
	f := p.f
	err := h.copy(r, p)
	if errors.Is(err, errInterrupted) {
		return interrupted
	}
	if err != nil {
		f.failure = readFailure(err)
		return failed
	}
	// Who began to write meanwhile is seen now: it has the file open, or it has
	// changed the stamp.
	if v, _ := h.check(r, f); v != hashed {
		return v
	}
	if p.n != f.stamp.size {
		return moved
	}
	return hashed
}

// check compares the open file with what the scan saw, and looks for a writer.
func (h *hasher) check(r *os.File, f *file) (verdict, string) {
	info, err := r.Stat()
	if err != nil {
		f.failure = readFailure(err)
		return failed, ""
	}
	if !info.Mode().IsRegular() || stampOf(info) != f.stamp {
		return moved, ""
	}
	if h.network != "" {
		// NFS and CIFS grant a lease only when the server happened to delegate
		// the file, and say "there is a writer" otherwise.
		return hashed, ""
	}
	open, err := h.writerOpen(r)
	if blind := noLease(""); errors.As(err, &blind) {
		return hashed, string(blind)
	}
	if err != nil {
		f.failure = readFailure(err)
		return failed, ""
	}
	if open {
		return busy, ""
	}
	return hashed, ""
}

var errInterrupted = errors.New("interrupted")

// copy hashes what was not read yet; a file that grows meanwhile is left after one byte
// more than the scan saw.
func (h *hasher) copy(f *os.File, p *part) error {
	if _, err := f.Seek(p.n, io.SeekStart); err != nil {
		return err
	}
	left := p.f.stamp.size + 1 - p.n
	for {
		// Where the Copy can it reads by itself, while it hashes the piece before.
		n, err := io.CopyBuffer(p.to, io.LimitReader(f, min(left, stride)), h.buf)
		p.n, left = p.n+n, left-n
		switch {
		case err != nil:
			return err
		case n < stride:
			return nil
		case h.interrupt():
			return errInterrupted
		}
	}
}

// Timestamps come in steps: a file that is written twice within one looks the
// same after as before the second time. The steps are those of the kernel's
// tick, at most 10 ms, and of the file system: FAT's are the longest, 2 s.
const (
	fineStep   = 20 * time.Millisecond
	coarseStep = 2 * time.Second
)

// recheckAt is when a file, whose reading began at the given time, must be read
// again because a later write could have left the same stamp; zero: it need not.
// A time that is not a whole number of seconds cannot come from coarse steps.
func (h *hasher) recheckAt(f *file, began time.Time) time.Time {
	step := fineStep
	if f.stamp.ctime%int64(time.Second) == 0 {
		step = coarseStep
	}
	at := time.Unix(0, f.stamp.ctime)
	if h.network != "" { // the server's clock, which nobody has compared with ours
		step, at = coarseStep, f.seen
	}
	if age := began.Sub(at); age >= step || age <= -step {
		return time.Time{}
	}
	return began.Add(step)
}

// quietAt is when f has been quiet for that long.
func (h *hasher) quietAt(f *file, now time.Time, age time.Duration) time.Time {
	// The system's own time of the change may be long before the scan that found it, or
	// after that had begun. One from the future says only that clocks were moved.
	if at := time.Unix(0, f.stamp.ctime); h.network == "" && !at.After(now) {
		return at.Add(age)
	}
	return f.seen.Add(age)
}
