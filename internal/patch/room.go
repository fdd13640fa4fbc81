package patch

import (
	"fmt"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/disk"
)

// reserve is how much room contents leave on the disk, in bytes: a server that finds
// none fails, long before it could be brought to anything.
const reserve = 16 << 20

// room fails when contents that are not here don't fit on the disk of the state folder.
// Where its room is not known they are tried.
func (m *Member) room(missing []release.File) error { return m.roomBeside(missing, reserve) }

// roomBeside is room with so many bytes that must stay free.
func (m *Member) roomBeside(missing []release.File, stays uint64) error {
	if len(missing) == 0 {
		return nil
	}
	state, err := disk.Open(m.cfg.StateDir)
	if err != nil {
		return fmt.Errorf("look for space: %w", err)
	}
	defer state.Close()
	free, err := state.Free("look for space")
	if err != nil {
		return nil
	}
	need := stays
	for _, file := range missing {
		need += uint64(file.Size)
	}
	if free < need {
		return fmt.Errorf("not enough space on the disk of %s: %d bytes are needed, %d are free", m.cfg.StateDir, need, free)
	}
	return nil
}
