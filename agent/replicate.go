package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/replica"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/watch"
)

// defaultReplicate is the folder of OMFLOW's attachments, below home.
const defaultReplicate = "uploads"

// replicating is a folder that is copied to the other servers all the time.
type replicating struct {
	*replica.Replica
	folder string
	log    *slog.Logger
}

// replicateFolder makes the path of what is written after replicate.
func replicateFolder(folder, home string) (string, error) {
	if filepath.IsAbs(folder) {
		return filepath.Clean(folder), nil
	}
	if home == "" {
		return "", fmt.Errorf("replicate %s: without home write the whole path of the folder", folder)
	}
	return filepath.Join(home, folder), nil
}

// checkReplicate refuses a folder that something else keeps the same already.
func checkReplicate(folder, home string, patch *Patch) error {
	if folder == home {
		return errors.New("replicate: this is the OMFLOW Server's folder itself: its code belongs into releases: write `patch`, and here a folder such as uploads")
	}
	if patch == nil {
		return nil
	}
	if patch.isHome(home) && inside(filepath.Join(home, defaultReplicate), folder) {
		return nil // OMFLOW's own lists leave uploads out
	}
	if inside(patch.Folder, folder) || inside(folder, patch.Folder) {
		return fmt.Errorf("replicate: %s and the patch folder %s hold each other: a file can't be in releases and copied all the time", folder, patch.Folder)
	}
	return nil
}

// inside reports whether a path is a folder or below it.
func inside(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// setReplicate puts a folder in force, or none.
func (m *monitor) setReplicate(former, s *settings) error {
	same := former != nil && former.replicate == s.replicate && former.to == s.to
	if same && (m.replica != nil) == (s.replicate != "") {
		return nil
	}
	m.endReplicate()
	if s.replicate == "" {
		return nil
	}
	rules := watch.Rules{}
	if s.home != "" && s.replicate == filepath.Join(s.home, defaultReplicate) {
		rules = omflow.UploadRules()
	}
	matcher, err := rules.Compile()
	if err != nil {
		return fmt.Errorf("replicate: %w", err)
	}
	log := s.log.With("server", m.name)
	r, err := replica.New(replica.Config{
		Root: s.replicate, StateDir: filepath.Join(m.dir, "replica"), Node: m.name, Rules: rules, Allowed: matcher.Covers,
		Peers: s.to.Replicas(), Logger: log,
	})
	if err != nil {
		return fmt.Errorf("replicate: %w", err)
	}
	m.replica = &replicating{Replica: r, folder: s.replicate, log: log}
	h := serveReplica(r)
	m.copies.Store(&h)
	return nil
}

// endReplicate lets go of the folder.
func (m *monitor) endReplicate() {
	if m.replica == nil {
		return
	}
	m.copies.Store(nil)
	if err := m.replica.Close(); err != nil {
		m.replica.log.Warn("the replicated folder was not closed as planned", "folder", m.replica.folder, "error", err)
	}
	m.replica = nil
}

// fillReplica says what of the replicated folder may be missing here.
func (m *monitor) fillReplica(ask *rollout.Ask) {
	if m.replica == nil {
		ask.Uncompared = m.cur.replicate != "" // it could not be opened
		return
	}
	lag := m.replica.Lag()
	ask.MissingFiles, ask.Uncompared = lag.Missing, lag.Uncompared
}

// serveReplicas answers what other agents ask of the replicated folder.
func (r *runner) serveReplicas(w http.ResponseWriter, req *http.Request) {
	h := r.copies.Load()
	if h == nil {
		http.Error(w, "this agent replicates no folder", http.StatusNotFound)
		return
	}
	(*h).ServeHTTP(w, req)
}
