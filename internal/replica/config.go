package replica

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/disk"
	"github.com/omflow/booster/internal/watch"
)

// Defaults of Config.
const (
	DefaultSettle        = 300 * time.Millisecond
	DefaultMaxSettle     = time.Second
	DefaultReconcile     = time.Minute
	DefaultRescan        = time.Minute
	DefaultTransfers     = 4
	DefaultMaxFiles      = 500_000
	DefaultMaxFileSize   = 1 << 30
	DefaultTombstoneLife = 30 * 24 * time.Hour
	DefaultMaxTombstones = 100_000
)

// Config describes a folder that all nodes keep alike.
type Config struct {
	// Root is the folder. It is made if it isn't there when the index is new; one
	// that has vanished later is waited for. Required, absolute.
	Root string
	// StateDir is the replica's own folder, made when it isn't there, for the
	// index and for versions of files that lost. It must not lie below Root.
	// Required, absolute.
	StateDir string
	// Node is this node's name, which no other one has. Required.
	Node string
	// Rules say which files are kept alike. They should be the same on all nodes.
	Rules watch.Rules
	// Allowed tells whether peers may bring a file at path: the answer that Rules
	// give for it. What it refuses is known here, but neither fetched nor deleted.
	// Default: all paths.
	Allowed func(path string) bool
	// Peers are the other nodes. Required.
	Peers Peers
	// Settle is how long a file must have been quiet before it is taken.
	// Default 300ms.
	Settle time.Duration
	// MaxSettle bounds the wait while other files go on changing. Default 1s, or
	// twice Settle if that is longer.
	MaxSettle time.Duration
	// Rescan is how often the folder is compared, whatever the system reported; up
	// to an eighth is added or taken away at random. Default 1m.
	Rescan time.Duration
	// Reconcile is how often digests are compared with each peer; up to an eighth
	// is added or taken away at random. Default 1m.
	Reconcile time.Duration
	// Transfers is how many files are fetched at once. Default 4.
	Transfers int
	// MaxFiles bounds the files, here and in what peers say. Default 500,000.
	MaxFiles int
	// MaxFileSize is the size in bytes from which on a file is left out.
	// Default 1 GiB.
	MaxFileSize int64
	// TombstoneLife is how long a deletion is remembered. It must be the same on
	// all nodes. At least an hour. Default 30 days.
	TombstoneLife time.Duration
	// MaxTombstones bounds how many are; the oldest go first. Default 100,000.
	MaxTombstones int
	// Logger gets what operators should know. Default: none.
	Logger *slog.Logger

	// open opens the folder for changing it; tests put a disk in between that is
	// full.
	open func(dir string) (disk.FS, error)
	// now is the time of day; tests move it.
	now func() time.Time
}

// Validate refuses what can't be kept alike. Zero values stand for the defaults.
func (c Config) Validate() error {
	for _, dir := range []struct{ what, path string }{{"folder", c.Root}, {"state folder", c.StateDir}} {
		if dir.path == "" {
			return fmt.Errorf("replica: no %s is given", dir.what)
		}
		if !filepath.IsAbs(dir.path) {
			return fmt.Errorf("replica: the %s %s must be absolute", dir.what, dir.path)
		}
	}
	if rel, err := filepath.Rel(c.Root, c.StateDir); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("replica: the state folder %s lies in the folder %s that is kept alike", c.StateDir, c.Root)
	}
	if err := release.CheckOrigin(c.Node); err != nil {
		return fmt.Errorf("replica of %s: %w", c.Root, err)
	}
	if c.Peers == nil {
		return errors.New("replica: no way to peers is given")
	}
	for _, n := range []struct {
		what  string
		value int64
	}{
		{"reconcile interval", int64(c.Reconcile)}, {"number of transfers", int64(c.Transfers)},
		{"number of tombstones", int64(c.MaxTombstones)}, {"life of tombstones", int64(c.TombstoneLife)},
	} {
		if n.value < 0 {
			return fmt.Errorf("replica of %s: the %s is negative", c.Root, n.what)
		}
	}
	if c.TombstoneLife > 0 && c.TombstoneLife < time.Hour {
		return fmt.Errorf("replica of %s: deletions must be remembered for an hour at least, not %s", c.Root, c.TombstoneLife)
	}
	return c.watch().Validate()
}

func (c Config) withDefaults() Config {
	c.Root, c.StateDir = filepath.Clean(c.Root), filepath.Clean(c.StateDir)
	c.Settle = cmp.Or(c.Settle, DefaultSettle)
	c.MaxSettle = cmp.Or(c.MaxSettle, max(DefaultMaxSettle, 2*c.Settle))
	c.Rescan = cmp.Or(c.Rescan, DefaultRescan)
	c.Reconcile = cmp.Or(c.Reconcile, DefaultReconcile)
	c.Transfers = cmp.Or(c.Transfers, DefaultTransfers)
	c.MaxFiles = cmp.Or(c.MaxFiles, DefaultMaxFiles)
	c.MaxFileSize = cmp.Or(c.MaxFileSize, DefaultMaxFileSize)
	c.TombstoneLife = cmp.Or(c.TombstoneLife, DefaultTombstoneLife)
	c.MaxTombstones = cmp.Or(c.MaxTombstones, DefaultMaxTombstones)
	if c.Allowed == nil {
		c.Allowed = func(string) bool { return true }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("replica", c.Root)
	if c.open == nil {
		c.open = disk.Open
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

// watch is how the folder is watched.
func (c Config) watch() watch.Config {
	rules := watch.Rules{Include: c.Rules.Include}
	rules.Exclude = append(append(rules.Exclude, c.Rules.Exclude...), "/"+release.StagingDir)
	return watch.Config{
		Root: c.Root, Rules: rules, Settle: c.Settle, MaxSettle: c.MaxSettle, Rescan: c.Rescan,
		MaxFiles: c.MaxFiles, MaxFileSize: c.MaxFileSize, CacheFile: filepath.Join(c.StateDir, "hashes"), Logger: c.Logger,
	}
}
