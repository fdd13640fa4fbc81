package replica

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/omflow/booster/internal/durable"
)

const (
	logName = "index"
	// logFormat is the version of the file's format.
	logFormat = 1
	// maxLine bounds a line: two entries with the longest paths, each byte escaped
	// to six characters, and the most authors.
	maxLine = 128 << 10
	// slack is how many lines more than needed the log may have before it is
	// written anew, beside as many as are needed.
	slack = 10_000
)

// line is one line of the log, after its checksum.
type line struct {
	// Format and Since are in the first line only.
	Format int        `json:"format,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
	// Met is when another node was last agreed with.
	Met *time.Time `json:"met,omitempty"`
	// Entry is what all nodes should have of a path.
	Entry *Entry `json:"entry,omitempty"`
	// Local is what the disk holds of a path; Same tells that it is Entry.
	Local *Entry `json:"local,omitempty"`
	Same  bool   `json:"same,omitempty"`
	// Drop is a path of which nothing is known any more.
	Drop string `json:"drop,omitempty"`
}

// indexLog keeps an index on the disk: a file to which lines are appended and
// which is written anew when most of it is out of date. It is for one goroutine
// at a time, but for sync.
type indexLog struct {
	path  string
	f     *os.File
	lines int
	buf   bytes.Buffer // lines to come
	since time.Time    // when the index was begun
	met   time.Time    // see line
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// errDamaged: the log is not what was written.
	errDamaged = errors.New("the index is damaged")
)

// openLog reads the log in dir into x. fresh tells that there was none; an error
// that is errDamaged that there is one which can't be used.
func openLog(dir string, x *index) (l *indexLog, fresh bool, err error) {
	l = &indexLog{path: filepath.Join(dir, logName)}
	l.f, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("open the index: %w", err)
	}
	good, err := l.load(x)
	if err == nil {
		// A crash may have left the last line unfinished.
		err = l.f.Truncate(good)
	}
	if err == nil {
		_, err = l.f.Seek(good, io.SeekStart)
	}
	if err != nil {
		_ = l.f.Close() // nothing was written
		return nil, false, err
	}
	return l, good == 0, nil
}

// load reads all lines into x and returns how many bytes of the file are good.
func (l *indexLog) load(x *index) (good int64, err error) {
	r := bufio.NewReaderSize(l.f, maxLine)
	for {
		text, err := r.ReadSlice('\n')
		if err == io.EOF {
			return good, nil
		}
		if err != nil {
			return 0, fmt.Errorf("%w: line %d: %w", errDamaged, l.lines+1, err)
		}
		var ln line
		err = parseLine(text, &ln)
		if err == nil {
			err = l.apply(x, &ln)
		}
		if err != nil {
			if _, next := r.Peek(1); next == io.EOF {
				return good, nil // it was being written
			}
			return 0, fmt.Errorf("%w: line %d: %w", errDamaged, l.lines+1, err)
		}
		good += int64(len(text))
		l.lines++
	}
}

func parseLine(text []byte, ln *line) error {
	sum, rest, ok := bytes.Cut(bytes.TrimSuffix(text, []byte("\n")), []byte(" "))
	if !ok {
		return errors.New("no checksum")
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || crc32.Checksum(rest, castagnoli) != uint32(want) {
		return errors.New("wrong checksum")
	}
	return json.Unmarshal(rest, ln)
}

// apply does to x what a line says.
func (l *indexLog) apply(x *index, ln *line) error {
	if l.lines == 0 {
		if ln.Format != logFormat || ln.Since == nil {
			return fmt.Errorf("format %d, not %d", ln.Format, logFormat)
		}
		l.since = *ln.Since
	}
	if ln.Met != nil {
		l.met = *ln.Met
	}
	if ln.Drop != "" {
		x.set(ln.Drop, record{})
	}
	for _, e := range []*Entry{ln.Entry, ln.Local} {
		if e == nil {
			continue
		}
		if err := e.Validate(); err != nil {
			return err
		}
		r := x.get(e.Path)
		if e == ln.Entry {
			r.entry = e
		}
		if e == ln.Local || ln.Same {
			r.local = e
		}
		x.set(e.Path, r)
	}
	return nil
}

// add appends a line to what flush will write.
func (l *indexLog) add(ln line) error {
	b, err := json.Marshal(ln)
	if err != nil {
		return fmt.Errorf("encode a line of the index: %w", err)
	}
	fmt.Fprintf(&l.buf, "%08x %s\n", crc32.Checksum(b, castagnoli), b)
	l.lines++
	return nil
}

// flush hands what was added to the system. On an error what was added goes on
// waiting; a part of a line may be in the file, which is cut off.
func (l *indexLog) flush() error {
	if l.buf.Len() == 0 {
		return nil
	}
	at, err := l.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	if _, err := l.f.Write(l.buf.Bytes()); err != nil {
		_, serr := l.f.Seek(at, io.SeekStart)
		return fmt.Errorf("write the index: %w", errors.Join(err, l.f.Truncate(at), serr))
	}
	l.buf.Reset()
	if l.buf.Cap() > 1<<20 {
		l.buf = bytes.Buffer{}
	}
	return nil
}

// wasteful tells that the log should be written anew for an index of so many
// records.
func (l *indexLog) wasteful(records int) bool { return l.lines > 2*records+slack }

// rewrite writes x as a new log that takes the old one's place.
func (l *indexLog) rewrite(x *index) (err error) {
	f, err := os.CreateTemp(filepath.Dir(l.path), logName+".*"+durable.Suffix)
	if err != nil {
		return fmt.Errorf("write the index anew: %w", err)
	}
	next := &indexLog{path: l.path, f: f, since: l.since, met: l.met}
	err = next.writeAll(x)
	// Windows renames neither a file that is open, nor another one over it.
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		if err = l.f.Close(); errors.Is(err, os.ErrClosed) { // by an earlier try
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(f.Name(), l.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write the index anew: %w", err)
	}
	if next.f, err = os.OpenFile(l.path, os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("go on with the index that was written anew: %w", err)
	}
	*l = *next // the old one has no name any more
	_, err = l.f.Seek(0, io.SeekEnd)
	if err == nil {
		err = durable.SyncDir(filepath.Dir(l.path))
	}
	if err != nil {
		return fmt.Errorf("write the index anew: %w", err)
	}
	return nil
}

func (l *indexLog) writeAll(x *index) error {
	if err := l.add(line{Format: logFormat, Since: &l.since, Met: &l.met}); err != nil {
		return err
	}
	for _, r := range x.all() {
		ln := line{Entry: r.entry, Local: r.local}
		if r.local == r.entry {
			ln.Local, ln.Same = nil, true
		}
		if err := l.add(ln); err != nil {
			return err
		}
		if l.buf.Len() > 1<<20 {
			if err := l.flush(); err != nil {
				return err
			}
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	return l.f.Sync()
}

// setAside keeps a log that can't be used for somebody to look at.
func setAside(dir string) error {
	from := filepath.Join(dir, logName)
	err := os.Rename(from, from+".damaged")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set the damaged index aside: %w", err)
	}
	return nil
}
