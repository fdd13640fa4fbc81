//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// rsyncSync is what people write themselves: inotifywait tells of changes, and when it
// has been quiet for the settle time one rsync for each peer runs, all at once.
type rsyncSync struct{ targets }

func (s *rsyncSync) waits() time.Duration { return patchSettle }

// rsyncLoop gets the settle time in seconds, the source and the targets. It runs rsync
// once before the first change. The shell itself waits for each rsync, so that the
// kernel counts their processor time as its own.
const rsyncLoop = `
settle=$1 source=$2
shift 2
copy() {
	for target; do rsync --archive "$source/" "$target/" & done
	wait $(jobs -p)
}
exec < <(exec inotifywait --monitor --recursive --quiet --event modify,close_write,create,delete,move "$source")
copy "$@"
while read -r _; do
	while read -r -t "$settle" _; do :; done
	copy "$@"
done`

func (s *rsyncSync) start(b *bench, dir, source string, peers int) error {
	args := []string{"bash", "-c", rsyncLoop, "rsync-loop", strconv.FormatFloat(patchSettle.Seconds(), 'f', -1, 64), source}
	for i := range peers {
		target := filepath.Join(dir, "peer"+strconv.Itoa(i))
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		s.folders = append(s.folders, target)
		args = append(args, target)
	}
	p, err := b.start("rsync-loop", -1, args...)
	if err != nil {
		return err
	}
	s.processes = []*process{p}
	return s.same()
}
