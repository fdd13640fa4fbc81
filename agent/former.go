package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/supervise"
)

// serversDir is where each server's state folder is, by the server's name.
func serversDir(stateDir string) string { return filepath.Join(stateDir, "servers") }

// formers begins to end the server that an agent with this state folder has left running
// under another name, and returns its end. A node is given another name by a restart, over
// which its server goes on: it has the port, and nobody else would ever end it. That it is
// this server is known by its folder and command.
func formers(stateDir, name string, s *settings) (ends []<-chan struct{}) {
	if len(s.command) == 0 {
		return nil
	}
	entries, err := os.ReadDir(serversDir(stateDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("it is not known whether the server runs under a former name", "error", err)
	}
	for _, entry := range entries {
		former := &monitor{name: entry.Name(), dir: filepath.Join(serversDir(stateDir), entry.Name())}
		for _, as := range []rollout.Part{rollout.Follower, rollout.Lead} {
			if cfg := former.command(s, as); former.name != name && cfg.Left() {
				end := make(chan struct{})
				ends = append(ends, end)
				go func() {
					defer close(end)
					endFormer(cfg)
				}()
			}
		}
	}
	return ends
}

// endFormer ends what is left of a server, if it is not another agent's.
func endFormer(cfg supervise.Config) {
	sup, err := supervise.New(cfg)
	if errors.Is(err, supervise.ErrInUse) {
		return // of the configuration that this one takes the place of
	}
	if err == nil {
		cfg.Logger.Info("what may run of this server under a former name is ended", "former", cfg.Name)
		ctx, cancel := context.WithTimeout(context.Background(), cfg.StopGrace+closeMargin)
		defer cancel()
		err = sup.Close(ctx)
	}
	if err != nil {
		cfg.Logger.Warn("a server that may run under a former name could not be ended", "former", cfg.Name, "error", err)
	}
}
