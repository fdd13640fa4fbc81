package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/release/textdiff"
	"github.com/omflow/booster/internal/rollout"
)

// ReleaseList is what GET /omflow/releases answers.
type ReleaseList struct {
	Head   uint64 `json:"head"`
	Target uint64 `json:"target"`
	// Releases are the newest first.
	Releases []ReleaseStatus `json:"releases"`
}

// ReleaseDetail is what GET /omflow/releases/<n> answers.
type ReleaseDetail struct {
	ReleaseStatus
	// On says how each server stands to it.
	On []ReleaseServer `json:"on"`
	// Parent is the release that it followed, 0 for none.
	Parent uint64 `json:"parent"`
	// Paths are what it changed, as far as the answer has room: More is how many
	// others there are.
	Paths []ReleaseChange `json:"paths"`
	More  int             `json:"more,omitempty"`
	// Diff shows the changes of text files.
	Diff string `json:"diff"`
}

// ReleaseChange is a path that a release changed.
type ReleaseChange struct {
	Path string `json:"path"`
	// Change is added, modified or deleted.
	Change string `json:"change"`
	// Bytes is the file's size, before it was deleted if it was.
	Bytes int64 `json:"bytes"`
}

// maxPaths is how many changed paths an answer names.
const maxPaths = 10_000

// ReleaseDone is what an operator's act has led to.
type ReleaseDone struct {
	// Release is the one that was approved, or that a rollback has made.
	Release uint64 `json:"release"`
}

// ReleasePublished is what POST /omflow/releases/publish answers.
type ReleasePublished struct {
	Servers []ServerPublished `json:"servers"`
}

// ServerPublished is what became of one server's changes.
type ServerPublished struct {
	Name string `json:"name"`
	// Release is the one that was made of them, 0 when there were none.
	Release uint64 `json:"release"`
	Error   string `json:"error,omitempty"`
}

// serveReleases serves what is under /omflow/releases; path is what comes after that.
func (a *App) serveReleases(w http.ResponseWriter, r *http.Request, path []string) error {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return apiError(http.StatusConflict, "this process is no booster of a cluster: it knows no releases")
	}
	rel := node.conductor.releases
	if len(path) == 0 {
		return answerGet(w, r, rel.listAll())
	}
	if len(path) == 1 && path[0] == "publish" {
		if err := onlyPost(w, r); err != nil {
			return err
		}
		a.log.Info("an operator has pending changes published")
		return answer(w, rel.publish(r.Context()))
	}
	if (path[0] == string(api.Confirm) || path[0] == string(api.Restore)) && len(path) > 1 {
		return a.serveLost(w, r, rel, path)
	}
	number, err := strconv.ParseUint(path[0], 10, 64)
	if err != nil || number == 0 || len(path) > 2 {
		return apiError(http.StatusNotFound, "there is no %s: write a release's number, publish, or confirm or restore and a server", r.URL.Path)
	}
	if len(path) == 1 {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return answerGet(w, r, nil)
		}
		detail, err := rel.detail(r.Context(), number)
		if err != nil {
			return releaseError(err)
		}
		return answer(w, detail)
	}
	act := api.Act(path[1])
	if act != api.Approve && act != api.Rollback {
		return apiError(http.StatusNotFound, "%q is not something to do with a release: use approve or rollback", path[1])
	}
	if err := onlyPost(w, r); err != nil {
		return err
	}
	made, err := rel.act(r.Context(), act, number)
	if err != nil {
		return releaseError(err)
	}
	a.log.Info("an operator decided on a release", "act", act, "release", number, "made", made)
	return answer(w, ReleaseDone{Release: made})
}

func onlyPost(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return nil
	}
	w.Header().Set("Allow", "POST")
	return apiError(http.StatusMethodNotAllowed, "%s: use POST", r.Method)
}

// releaseError gives an error its status code.
func releaseError(err error) error {
	switch {
	case errors.Is(err, history.ErrUnknown):
		return apiError(http.StatusNotFound, "%w: `booster omflow releases` lists those that are kept", err)
	case errors.Is(err, api.ErrRefused):
		return apiError(http.StatusConflict, "%s", strings.TrimPrefix(err.Error(), api.ErrRefused.Error()+": "))
	case errors.Is(err, rollout.ErrNotActive):
		return apiError(http.StatusServiceUnavailable, "no active booster is reached: %w", err)
	}
	return apiError(http.StatusServiceUnavailable, "%w", err)
}

// listAll lists the releases.
func (r *releases) listAll() ReleaseList {
	st := r.Status()
	servers := serverReleases(r.node)
	list := ReleaseList{Head: st.Head.Number, Releases: []ReleaseStatus{}}
	for _, rel := range st.Releases {
		s := releaseStatus(rel, servers)
		if s.Number == st.Approved.Number && s.Reason == "" {
			list.Target = s.Number
		}
		list.Releases = append(list.Releases, s)
	}
	return list
}

// publish has all agents publish.
func (r *releases) publish(ctx context.Context) ReleasePublished {
	out := ReleasePublished{Servers: []ServerPublished{}}
	for _, p := range r.publishAll(ctx) {
		s := ServerPublished{Name: p.server, Release: p.number}
		if p.err != nil {
			s.Error = plain(p.err.Error())
		}
		out.Servers = append(out.Servers, s)
	}
	return out
}

// detail shows one release.
func (r *releases) detail(ctx context.Context, number uint64) (*ReleaseDetail, error) {
	m, err := r.Get(number)
	if err != nil {
		return nil, err
	}
	d := &ReleaseDetail{Parent: m.Parent.Number, Paths: []ReleaseChange{}}
	servers := serverReleases(r.node)
	for _, rel := range r.Status().Releases {
		if rel.Ref.Number == number {
			d.ReleaseStatus = releaseStatus(rel, servers)
		}
	}
	d.On = releaseServers(number, servers, r.standing())
	parent, err := r.parent(m)
	if errors.Is(err, history.ErrUnknown) {
		d.Diff = "what it changed is not known any more: the release before it is not kept\n"
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	changes := release.Changes(parent, m)
	d.More = max(0, len(changes)-maxPaths)
	for _, c := range changes[:len(changes)-d.More] {
		d.Paths = append(d.Paths, releaseChange(c))
	}
	d.Diff, err = r.diff(ctx, m, changes)
	return d, err
}

// parent returns the release that m follows, nil for none.
func (r *releases) parent(m *release.Manifest) (*release.Manifest, error) {
	if m.Parent.IsZero() {
		return nil, nil
	}
	return r.Get(m.Parent.Number)
}

// diff compares the text files among changes, as many as the bounds allow.
func (r *releases) diff(ctx context.Context, m *release.Manifest, changes []release.Change) (string, error) {
	if m.Parent.IsZero() {
		return "", nil // it is all new
	}
	changes = changes[:min(len(changes), diffFiles)]
	var b strings.Builder
	err := textdiff.Write(&b, changes, textdiff.Config{
		Open: opener(r.contents(ctx, changes, m.Origin)), MaxFile: diffFile,
		Old: strconv.FormatUint(m.Parent.Number, 10), New: strconv.FormatUint(m.Number, 10),
	})
	return b.String(), err
}

func releaseChange(c release.Change) ReleaseChange {
	switch {
	case c.Old == nil:
		return ReleaseChange{c.Path, "added", c.New.Size}
	case c.New == nil:
		return ReleaseChange{c.Path, "deleted", c.Old.Size}
	default:
		return ReleaseChange{c.Path, "modified", c.New.Size}
	}
}
