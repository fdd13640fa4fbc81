package patch

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/watch"
)

// Config describes one server's part in keeping a folder the same everywhere.
type Config struct {
	// Root is the folder. It need not be there yet. Required, absolute.
	Root string
	// StateDir is the Member's own folder, which no other may use; it is made when
	// it isn't there. It must not be in Root where Rules look. Required.
	StateDir string
	// Node is this node's name. Required.
	Node string
	// Rules say which files are kept the same. Releases that hold others are refused.
	// Default: all.
	Rules watch.Rules
	// Settle and MaxSettle say when a change counts, see watch.Config. Default 500ms
	// and 10s.
	Settle, MaxSettle time.Duration
	// Rescan is how often the whole folder is compared. Default 1m.
	Rescan time.Duration
	// MaxFiles bounds the files in the folder, and MaxFileSize the bytes of each.
	// Default 200,000 and 1 GiB.
	MaxFiles    int
	MaxFileSize int64
	// Keep is how many releases stay for rolling back, at most api.MaxKeep.
	// Default 20.
	Keep int
	// Manual has releases from here wait for a person's approval.
	Manual bool
	// Peers are the other nodes. Required.
	Peers Peers
	// First reports whether this server's folder may become the first release of a
	// cluster. It must not block. Required.
	First func() bool
	// Check says why a release with these paths must not be published. Default: it
	// may.
	Check func(paths []string) error
	// Deployed reports whether a change of these paths is one that this server's
	// process has made itself and needs no restart for. It must not block. Default: none is.
	Deployed func(paths []string) bool
	// Exact reports whether a file at this path that is in no release must not stay
	// in the folder when the first one is applied. Default: it may.
	Exact func(path string) bool
	// Changed is called when something of State is new that others should hear of
	// soon. It must not block or call back. Default: nobody is told.
	Changed func()
	// Logger gets what operators should know. Required.
	Logger *slog.Logger
}

// Validate refuses what cannot work. Zero values stand for the defaults.
func (c Config) Validate() error {
	switch {
	case c.Peers == nil || c.First == nil || c.Logger == nil:
		return errors.New("patch: a part is missing")
	case c.StateDir == "":
		return errors.New("patch: no state folder")
	case c.Keep < 0 || c.Keep > api.MaxKeep:
		return fmt.Errorf("patch: keep %d: not in 1 to %d", c.Keep, api.MaxKeep)
	}
	if err := release.CheckOrigin(c.Node); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	if err := c.watch().Validate(); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Keep == 0 {
		c.Keep = history.DefaultKeep
	}
	if c.Check == nil {
		c.Check = func([]string) error { return nil }
	}
	if c.Deployed == nil {
		c.Deployed = func([]string) bool { return false }
	}
	if c.Exact == nil {
		c.Exact = func(string) bool { return false }
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	return c
}

// rules are the configured ones without the folder that the applier works in.
func (c Config) rules() watch.Rules {
	exclude := append(slices.Clone(c.Rules.Exclude), "/"+release.StagingDir+"/")
	return watch.Rules{Include: c.Rules.Include, Exclude: exclude}
}

func (c Config) watch() watch.Config {
	return watch.Config{
		Root: c.Root, Rules: c.rules(), Settle: c.Settle, MaxSettle: c.MaxSettle, Rescan: c.Rescan,
		MaxFiles: c.MaxFiles, MaxFileSize: c.MaxFileSize,
		CacheFile: filepath.Join(c.StateDir, "hashes"), Logger: c.Logger,
	}
}
