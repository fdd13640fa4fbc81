package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/durable"
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
	path := filepath.Join(l.dir, "published.jsonl")
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
	return durable.WriteFile(filepath.Join(l.dir, "quarantine.json"), append(b, '\n'))
}

func (l *Log) loadQuarantine() error {
	l.quarantined = make(map[release.Ref]string)
	b, err := os.ReadFile(filepath.Join(l.dir, "quarantine.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var marks []quarantine
	if err := json.Unmarshal(b, &marks); err != nil {
		return fmt.Errorf("read quarantine: %w", err)
	}
	for _, q := range marks {
		l.quarantined[q.Release] = q.Reason
	}
	return nil
}
