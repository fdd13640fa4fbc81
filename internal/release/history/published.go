package history

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// Names in the log's folder.
const (
	publishedFile  = "published.jsonl"
	quarantineFile = "quarantine.json"
)

// Act is what somebody did with a release.
type Act string

// The acts in published.jsonl.
const (
	Published   Act = "published"
	Dropped     Act = "dropped"     // the sequencer had another one of this number
	Quarantined Act = "quarantined" // it did not do well
	Cleared     Act = "cleared"     // it may be rolled out again
	Mended      Act = "mended"      // its file could not be read and was written again
)

// Record is a line of published.jsonl.
type Record struct {
	Time    time.Time        `json:"time"` // by this node's clock, UTC
	Act     Act              `json:"act"`
	Release release.Ref      `json:"release"`
	Kind    release.Kind     `json:"kind,omitempty"`
	Origin  string           `json:"origin,omitempty"` // the node that made it
	From    string           `json:"from,omitempty"`   // the address that sent it
	Reason  string           `json:"reason,omitempty"`
	Changes *release.Summary `json:"changes,omitempty"`
}

func (l *Log) openPublished() error {
	path := filepath.Join(l.dir, publishedFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := durable.SyncDir(l.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	l.published = f
	return nil
}

// endLine ends a line that a crash or a full disk cut off, so that the next one
// is whole.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = f.WriteString("\n")
	return err
}

// record appends a line and syncs it. Callers hold mu.
func (l *Log) record(r Record) error {
	if l.trouble != nil {
		return l.trouble
	}
	r.Time = time.Now().UTC().Truncate(time.Millisecond)
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if err := endLine(l.published); err != nil {
		return fmt.Errorf("end the last record: %w", err)
	}
	if _, err := l.published.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := l.published.Sync(); err != nil {
		return fmt.Errorf("sync record: %w", err)
	}
	return nil
}

// maxReason bounds the reason of a quarantine, in bytes.
const maxReason = 2048

// quarantine is an element of quarantine.json.
type quarantine struct {
	Release release.Ref `json:"release"`
	Reason  string      `json:"reason"`
}

// Quarantine marks a release that may not be rolled out, and says why. What is
// longer than 2,048 bytes of reason is cut. The error matches ErrUnknown if the
// log doesn't have it.
func (l *Log) Quarantine(ref release.Ref, reason string) error {
	if reason == "" {
		return fmt.Errorf("quarantine release %s: no reason", ref)
	}
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return l.mark(ref, reason, Quarantined)
}

// Clear takes the mark away again.
func (l *Log) Clear(ref release.Ref) error { return l.mark(ref, "", Cleared) }

func (l *Log) mark(ref release.Ref, reason string, act Act) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.find(ref.Number)
	if !ok || l.releases[i].ref != ref {
		return fmt.Errorf("mark release %s as %s: %w", ref, act, ErrUnknown)
	}
	before := l.quarantined[ref]
	if before == reason {
		return nil
	}
	l.setMark(ref, reason)
	if err := l.saveQuarantine(); err != nil {
		l.setMark(ref, before)
		return fmt.Errorf("mark release %s as %s: %w", ref, act, err)
	}
	if err := l.record(Record{Act: act, Release: ref, Reason: reason}); err != nil {
		return fmt.Errorf("mark release %s as %s: %w", ref, act, err)
	}
	return nil
}

func (l *Log) setMark(ref release.Ref, reason string) {
	if reason == "" {
		delete(l.quarantined, ref)
		return
	}
	l.quarantined[ref] = reason
}

// QuarantineReason returns why ref may not be rolled out, "" if it may.
func (l *Log) QuarantineReason(ref release.Ref) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.quarantined[ref]
}

// saveQuarantine writes the marks. Callers hold mu.
func (l *Log) saveQuarantine() error {
	marks := []quarantine{}
	for _, k := range l.releases {
		if reason, ok := l.quarantined[k.ref]; ok {
			marks = append(marks, quarantine{Release: k.ref, Reason: reason})
		}
	}
	b, err := json.MarshalIndent(marks, "", "\t")
	if err != nil {
		return fmt.Errorf("encode quarantine: %w", err)
	}
	return durable.WriteFile(filepath.Join(l.dir, quarantineFile), append(b, '\n'))
}

// loadQuarantine reads the marks. A file that can't be read is kept aside, and what the
// record says of quarantines takes its place: a release that did not do well must not be
// rolled out again because of it.
func (l *Log) loadQuarantine() error {
	l.quarantined = make(map[release.Ref]string)
	path := filepath.Join(l.dir, quarantineFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var marks []quarantine
	if err == nil {
		err = json.Unmarshal(b, &marks)
	}
	if err != nil {
		return l.quarantineAgain(path, err)
	}
	for _, q := range marks {
		l.quarantined[q.Release] = q.Reason
	}
	return nil
}

// quarantineAgain makes the marks anew of the record, whose last word on a release counts.
func (l *Log) quarantineAgain(path string, cause error) error {
	aside, err := durable.KeepDamaged(path)
	if err != nil {
		return fmt.Errorf("read quarantine: %w", errors.Join(cause, err))
	}
	broken, err := l.readPublished(func(r Record) {
		switch r.Act {
		case Quarantined:
			l.setMark(r.Release, cmp.Or(r.Reason, "it was in quarantine; the reason is lost"))
		case Cleared:
			l.setMark(r.Release, "")
		}
	})
	if err != nil {
		return fmt.Errorf("read quarantine: %w", errors.Join(cause, err))
	}
	if err := l.saveQuarantine(); err != nil {
		return fmt.Errorf("read quarantine: %w", errors.Join(cause, err))
	}
	l.log.Error("which releases are in quarantine can't be read; it is taken from the record of what was done",
		"error", cause, "kept", aside, "in_quarantine", len(l.quarantined), "unreadable_lines", broken)
	return nil
}

// maxRecord bounds a line of the record, in bytes: a reason of maxReason, of which JSON
// spells each byte with six at most, and little else.
const maxRecord = 16 << 10

// readPublished hands the records to take, oldest first. It counts lines that are none.
func (l *Log) readPublished(take func(Record)) (broken int, err error) {
	f, err := os.Open(filepath.Join(l.dir, publishedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxRecord)
	for {
		line, long, err := in.ReadLine()
		for more := long; more && err == nil; {
			_, more, err = in.ReadLine()
		}
		if errors.Is(err, io.EOF) {
			return broken, nil
		}
		if err != nil {
			return broken, err
		}
		var r Record
		if long || json.Unmarshal(line, &r) != nil {
			broken++
			continue
		}
		take(r)
	}
}
