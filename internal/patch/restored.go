package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/omflow/booster/internal/durable"
)

// restoredFile says when files were last brought back, so that another process of this
// node still has a server restarted that ran while they were gone.
const restoredFile = "restored.json"

// restored is what the file holds.
type restored struct {
	At time.Time `json:"at"`
}

// loadRestored reads it. A time that is yet to come, since the clock was set back, is
// taken for now, and so is one that can't be read: a server that runs is then restarted
// once too often, and not again with each start of this process, unless the disk takes
// no other note.
func (m *Member) loadRestored() {
	b, err := os.ReadFile(m.state(restoredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var r restored
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	now := time.Now()
	switch {
	case err != nil:
		aside, kerr := durable.KeepDamaged(m.state(restoredFile))
		m.log.Error("when files were last brought back can't be read: it is taken for now", "error", errors.Join(err, kerr), "kept", aside)
	case !r.At.After(now):
		m.restored = r.At
		return
	}
	m.restored = now
	if err := m.writeRestored(now); err != nil {
		m.log.Warn("each start of the agent has the server restarted until this can be written", "error", err)
	}
}

// writeRestored replaces the file; zero removes it.
func (m *Member) writeRestored(at time.Time) error {
	var err error
	if at.IsZero() {
		if err = os.Remove(m.state(restoredFile)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		var b []byte
		if b, err = json.Marshal(restored{at.UTC()}); err == nil {
			err = durable.WriteFile(m.state(restoredFile), append(b, '\n'))
		}
	}
	if err != nil {
		return fmt.Errorf("write when files were brought back: %w", err)
	}
	return nil
}
