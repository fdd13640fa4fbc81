package supervise

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	maxLine     = 8 << 10  // bytes of a line that are logged
	maxLog      = 16 << 20 // bytes of server.log before it is emptied
	maxLag      = 4 << 20  // bytes unread; more is skipped, so that a pump is short
	maxRate     = 500      // lines logged a second
	tailEvery   = 200 * time.Millisecond
	lastMaxLine = 200 // bytes of the last line kept for a Reason
)

// tail follows server.log into a logger. The file is the process' standard
// output and error, opened for appending, so that it may be emptied under the
// process: the next write lands at its beginning.
type tail struct {
	out *os.File // what the process writes to

	mu      sync.Mutex
	in      *os.File
	log     *slog.Logger
	offset  int64
	line    []byte    // the unfinished line, at most maxLine
	cut     int       // bytes of the unfinished line beyond maxLine
	second  time.Time // when the present second of the rate began
	logged  int       // lines in this second
	dropped int       // lines not logged, not yet said
	last    string    // the last line that was not blank
	failed  bool      // the last attempt to read
	buf     []byte

	quit, done chan struct{}
}

// openTail opens the log in stateDir and follows what is written from now on.
func openTail(stateDir string, log *slog.Logger) (*tail, error) {
	path := filepath.Join(stateDir, "server.log")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server.log: %w", err)
	}
	// It is emptied through this descriptor, which stays with the file that the process
	// writes to, whatever becomes of its name; out can't do that on Windows, where what is
	// opened for appending has no right to.
	in, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("open server.log: %w", err)
	}
	end, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		out.Close()
		in.Close()
		return nil, fmt.Errorf("find the end of server.log: %w", err)
	}
	t := &tail{
		out: out, in: in, log: log, offset: end,
		buf:  make([]byte, 32<<10),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	go t.follow()
	return t, nil
}

func (t *tail) follow() {
	defer close(t.done)
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.quit:
			return
		case <-tick.C:
			t.pump(false)
		}
	}
}

// close logs what is left and ends the following. Once only.
func (t *tail) close() {
	close(t.quit)
	<-t.done
	t.pump(true)
	t.in.Close()
	t.out.Close()
}

func (t *tail) setLogger(log *slog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = log
}

// pump logs everything that was written so far, the unfinished line too if end
// is set, because the process that would have finished it is gone.
func (t *tail) pump(end bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.read()
	if err != nil && !t.failed { // it is tried again five times a second
		t.log.Warn("server output could not be read", "error", err)
	}
	t.failed = err != nil
	if end && len(t.line) > 0 {
		t.emit()
	}
	t.sayDropped(time.Now(), end)
}

// lastLine returns the last line of output that was not blank, for people on other
// machines: without secrets, and at most lastMaxLine bytes.
func (t *tail) lastLine() string {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	last = WithoutSecrets(last)
	return strings.ToValidUTF8(last[:min(len(last), lastMaxLine)], "")
}

func (t *tail) read() error {
	info, err := t.in.Stat()
	if err != nil {
		return fmt.Errorf("look at server.log: %w", err)
	}
	size := info.Size()
	if size < t.offset { // emptied by someone else
		t.offset = 0
	}
	if lag := size - t.offset; lag > maxLag {
		t.offset = size - maxLag
		t.line, t.cut = t.line[:0], 0
		t.log.Warn("server output skipped: it came too fast", "bytes", lag-maxLag)
	}
	for t.offset < size {
		n, err := t.in.ReadAt(t.buf[:min(int64(len(t.buf)), size-t.offset)], t.offset)
		t.offset += int64(n)
		t.split(t.buf[:n])
		if err != nil && err != io.EOF {
			return fmt.Errorf("read server.log: %w", err)
		}
		if n == 0 {
			break
		}
	}
	if t.offset > maxLog {
		if err := t.in.Truncate(0); err != nil {
			return fmt.Errorf("empty server.log: %w", err)
		}
		t.log.Info("server.log was emptied", "bytes", t.offset)
		t.offset = 0
	}
	return nil
}

// split takes the next bytes of output apart.
func (t *tail) split(data []byte) {
	for len(data) > 0 {
		part, rest, whole := bytes.Cut(data, []byte{'\n'})
		keep := min(len(part), maxLine-len(t.line))
		t.line = append(t.line, part[:keep]...)
		t.cut += len(part) - keep
		if whole {
			t.emit()
		}
		data = rest
	}
}

// harmless takes the place of characters that would do something to a terminal on which
// the log is read: the output may quote what a stranger has sent to the server.
func harmless(r rune) rune {
	if unicode.IsControl(r) && r != '\t' {
		return '\uFFFD'
	}
	return r
}

// emit logs the finished line, unless too many were.
func (t *tail) emit() {
	text := strings.Map(harmless, strings.ToValidUTF8(strings.TrimRight(string(t.line), "\r"), "\uFFFD"))
	cut := t.cut
	t.line, t.cut = t.line[:0], 0
	if strings.TrimSpace(text) == "" && cut == 0 {
		return
	}
	t.last = text
	now := time.Now()
	if now.Sub(t.second) >= time.Second {
		t.sayDropped(now, true)
		t.second, t.logged = now, 0
	}
	if t.logged >= maxRate {
		t.dropped++
		return
	}
	t.logged++
	if cut > 0 {
		t.log.Info(text, "cut_bytes", cut)
		return
	}
	t.log.Info(text)
}

// sayDropped tells once a second how many lines were left out.
func (t *tail) sayDropped(now time.Time, force bool) {
	if t.dropped == 0 || !force && now.Sub(t.second) < time.Second {
		return
	}
	t.log.LogAttrs(context.Background(), slog.LevelWarn, "server output dropped: too many lines a second",
		slog.Int("lines", t.dropped))
	t.dropped = 0
}
