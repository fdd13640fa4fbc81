package watch

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// Defaults of Config.
const (
	DefaultSettle       = 500 * time.Millisecond
	DefaultMaxSettle    = 10 * time.Second
	DefaultRescan       = time.Minute
	DefaultMaxFiles     = 200_000
	DefaultMaxFileSize  = 1 << 30
	DefaultMaxDepth     = 32
	DefaultMaxPath      = 1024
	DefaultRemovalShare = 0.5
)

// Config describes a folder and when a change in it counts.
type Config struct {
	// Root is the folder; it may itself be a symbolic link, and it need not be
	// there yet. Required, absolute.
	Root string
	// Rules say which files are looked at. Default: all.
	Rules Rules
	// Settle is how long the folder must have been quiet. Default 500ms.
	Settle time.Duration
	// MaxSettle bounds the wait for quiet while files go on changing: what is
	// quiet by then is published without the rest. At least Settle. Default 10s,
	// or twice Settle if that is longer.
	MaxSettle time.Duration
	// Rescan is how often the whole folder is compared, whatever the system
	// said; up to an eighth is added or taken away at random. Default 1m.
	Rescan time.Duration
	// MaxFiles bounds how many files, directories and refused names are looked
	// at. When there are more, nothing is published. Default 200,000.
	MaxFiles int
	// MaxFileSize is the size in bytes from which on a file is refused.
	// Default 1 GiB.
	MaxFileSize int64
	// MaxDepth is how many directories deep a file may lie. At most 256, for
	// each level holds a file descriptor during a scan. Default 32.
	MaxDepth int
	// MaxPath is the length in bytes that a path below Root may have.
	// Default 1024.
	MaxPath int
	// RemovalShare is the part of the base's files which may vanish within ten
	// minutes before somebody is asked; see [Watcher.ConfirmRemoval]. Ten files may
	// always vanish, unless the folder is left empty, and one that was moved in the
	// folder has not vanished. Between 0 and 1.
	// Default 0.5.
	RemovalShare float64
	// CacheFile keeps the hashes over a restart, so that only what changed is
	// read again, and a file beside it, with .removals after its name, what was removed
	// within RemovalShare's ten minutes. They must not lie where the rules look.
	// Default: none.
	CacheFile string
	// Copy, if set, may give a Copy for a file of that many bytes, which is new or has
	// another size than the base says: whoever is to have the content as well is
	// spared another reading of it. It may return nil.
	Copy func(size int64) Copy
	// Logger gets what goes wrong, each cause once. Default: none.
	Logger *slog.Logger
}

// Copy takes the content of a file while it is read, and hashes it. One that is an
// io.ReaderFrom reads by itself, up to 1 MiB at a time, and fails only when the file does.
type Copy interface {
	// Write takes the next piece. It must not fail.
	io.Writer
	// Keep ends it and returns the SHA-256 of what was written.
	Keep() [32]byte
	// Discard ends it: the file is not what it seemed to be.
	Discard()
}

// Validate refuses what cannot be watched. Zero values stand for the defaults.
func (c Config) Validate() error {
	if c.Root == "" {
		return errors.New("watch: no folder is given")
	}
	if !filepath.IsAbs(c.Root) {
		return fmt.Errorf("watch %s: the folder must be absolute", c.Root)
	}
	for _, n := range []struct {
		what  string
		value int64
	}{
		{"settle time", int64(c.Settle)}, {"longest settle time", int64(c.MaxSettle)}, {"rescan interval", int64(c.Rescan)},
		{"most files", int64(c.MaxFiles)}, {"largest file", c.MaxFileSize}, {"deepest directory", int64(c.MaxDepth)},
		{"longest path", int64(c.MaxPath)},
	} {
		if n.value < 0 {
			return fmt.Errorf("watch %s: the %s is negative", c.Root, n.what)
		}
	}
	if c.MaxDepth > 256 {
		return fmt.Errorf("watch %s: %d directories deep: at most 256", c.Root, c.MaxDepth)
	}
	if !(c.RemovalShare >= 0 && c.RemovalShare <= 1) {
		return fmt.Errorf("watch %s: a share of %v files removed: write a number from 0 to 1", c.Root, c.RemovalShare)
	}
	d := c.withDefaults()
	if d.MaxSettle < d.Settle {
		return fmt.Errorf("watch %s: the longest settle time %s is shorter than the settle time %s", c.Root, d.MaxSettle, d.Settle)
	}
	if err := c.Rules.Validate(); err != nil {
		return fmt.Errorf("watch %s: %w", c.Root, err)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Root = filepath.Clean(c.Root)
	c.Settle = cmp.Or(c.Settle, DefaultSettle)
	c.MaxSettle = cmp.Or(c.MaxSettle, max(DefaultMaxSettle, 2*c.Settle))
	c.Rescan = cmp.Or(c.Rescan, DefaultRescan)
	c.MaxFiles = cmp.Or(c.MaxFiles, DefaultMaxFiles)
	c.MaxFileSize = cmp.Or(c.MaxFileSize, DefaultMaxFileSize)
	c.MaxDepth = cmp.Or(c.MaxDepth, DefaultMaxDepth)
	c.MaxPath = cmp.Or(c.MaxPath, DefaultMaxPath)
	c.RemovalShare = cmp.Or(c.RemovalShare, DefaultRemovalShare)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("folder", c.Root)
	return c
}

// nextRescan keeps the agents of a cluster, which may share a storage system,
// from comparing their folders at the same moments.
func (c Config) nextRescan() time.Duration {
	return c.Rescan - c.Rescan/8 + rand.N(c.Rescan/4+1)
}
