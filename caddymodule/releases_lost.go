package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/replica"
	replicas "github.com/omflow/booster/internal/replica/api"
)

// Folders of a server of which files may be gone.
const (
	patchFolder     = "patch"
	replicateFolder = "replicate"
)

// ReplicaStatus is how the replicated folder of a server is.
type ReplicaStatus struct {
	Server string `json:"server"`
	// Files and Bytes count what all servers should have, Missing the files that are
	// not on this one yet.
	Files   int   `json:"files"`
	Bytes   int64 `json:"bytes"`
	Missing int   `json:"missing"`
	// Conflicts is how many versions that lost are kept aside on its machine.
	Conflicts int `json:"conflicts"`
	// Degraded says what is not copied, or later than it could be.
	Degraded string `json:"degraded,omitempty"`
	// Suspicious says what is gone from the folder, so that nothing is copied from or
	// to it until somebody says what to make of it.
	Suspicious string `json:"suspicious,omitempty"`
	// Finding names what that tells: a confirmation takes it.
	Finding string `json:"finding,omitempty"`
}

// LostDone is what POST /omflow/releases/<confirm|restore>/<server> answers.
type LostDone struct {
	Server string `json:"server"`
	// Folder is patch or replicate.
	Folder string `json:"folder"`
	Act    string `json:"act"`
}

// copying is how the replica of one server is.
type copying struct {
	server string
	replica.Status
}

func (r *releases) replicaClient() replicas.Client {
	return replicas.Client{Do: r.node.Do, Agents: func() []string { return others(r.node, gossip.KindAgent) }}
}

// replicasStatus tells of the replicated folders; problems are what an operator must
// put right.
func replicasStatus() (list []ReplicaStatus, problems []string) {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return nil, nil
	}
	_, all := node.conductor.releases.look()
	for _, c := range all {
		s := ReplicaStatus{
			Server: c.server, Files: c.Files, Bytes: c.Bytes, Missing: c.Missing, Conflicts: c.Conflicts,
			Degraded: plain(c.Degraded), Suspicious: plain(c.Suspicious), Finding: plain(c.Finding),
		}
		list = append(list, s)
		if s.Suspicious != "" {
			problems = append(problems, lostProblem(s.Server, replicateFolder, s.Suspicious, s.Finding))
		}
		if s.Degraded != "" {
			problems = append(problems, fmt.Sprintf("server %s does not copy all of its replicated folder: %s", s.Server, s.Degraded))
		}
	}
	return list, problems
}

// lostProblem says what to do about files that are gone. finding is "" when it can't be
// confirmed, since there is no folder.
func lostProblem(server, folder, why, finding string) string {
	s := fmt.Sprintf("server %s: its %s folder is left alone, for %s: `booster omflow releases restore %s %s` brings the files back",
		server, folder, why, server, folder)
	if finding != "" {
		s += fmt.Sprintf(", `… confirm %s %s %s` removes them from all servers", server, folder, finding)
	}
	return s
}

// errNothingLost: an operator decides on something that is not so.
var errNothingLost = errors.New("no files are known to be gone there")

// lost tells a server's agent what to make of files that are gone. Without a folder it
// is the one of which files are gone. finding names what the operator has looked at.
func (r *releases) lost(ctx context.Context, act api.Lost, server, folder, finding string) (done LostDone, err error) {
	if folder == "" {
		if folder, err = r.suspiciousFolder(server); err != nil {
			return LostDone{}, err
		}
	}
	done = LostDone{Server: server, Folder: folder, Act: string(act)}
	if folder == patchFolder {
		return done, r.client().Lost(ctx, server, act, finding)
	}
	return done, r.replicaClient().Lost(ctx, server, act == api.Restore, finding)
}

func (r *releases) suspiciousFolder(server string) (string, error) {
	standings, copies := r.look()
	var folders []string
	if slices.ContainsFunc(standings, func(s standing) bool { return s.server == server && s.Suspicious != "" }) {
		folders = append(folders, patchFolder)
	}
	if slices.ContainsFunc(copies, func(c copying) bool { return c.server == server && c.Suspicious != "" }) {
		folders = append(folders, replicateFolder)
	}
	switch len(folders) {
	case 0:
		return "", errNothingLost
	case 1:
		return folders[0], nil
	}
	return "", errors.New("files are gone from both of its folders: say which one, patch or replicate")
}

// serveLost serves what is under /omflow/releases/confirm and …/restore: a server's
// name, and perhaps one of its folders. To confirm takes the finding that the status shows.
func (a *App) serveLost(w http.ResponseWriter, req *http.Request, r *releases, path []string) error {
	folder := strings.Join(path[2:], "/")
	if folder != "" && folder != patchFolder && folder != replicateFolder {
		return apiError(http.StatusNotFound, "%q is no folder of a server: write patch or replicate", folder)
	}
	if err := onlyPost(w, req); err != nil {
		return err
	}
	server := path[1]
	if !slices.Contains(others(r.node, gossip.KindAgent), server) {
		return apiError(http.StatusNotFound, "no agent of a server %q is reached", server)
	}
	act, finding := api.Lost(path[0]), req.URL.Query().Get("finding")
	if act == api.Confirm && finding == "" {
		return apiError(http.StatusBadRequest, "what is confirmed has to be named: add ?finding=…, as the status shows it")
	}
	done, err := r.lost(req.Context(), act, server, folder, finding)
	switch {
	case errors.Is(err, history.ErrUnknown), errors.Is(err, replicas.ErrNone):
		return apiError(http.StatusNotFound, "server %s has no such folder: %w", server, err)
	case err != nil:
		return apiError(http.StatusConflict, "server %s: %w", server, err)
	}
	a.log.Info("an operator decided on files that are gone", "act", done.Act, "server", server, "folder", done.Folder)
	return answer(w, done)
}
