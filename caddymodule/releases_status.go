package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/sequence"
)

// ReleasesStatus is the part of the status that tells of releases.
type ReleasesStatus struct {
	// Head is the newest release, 0 when there is none.
	Head uint64 `json:"head"`
	// Target is the one that all servers should have, 0 while nothing is to be rolled
	// out.
	Target uint64 `json:"target"`
	// Rollout is set while servers whose agents answer do not have that one.
	Rollout *RolloutStatus `json:"rollout"`
	// Waiting are releases that a person has to approve.
	Waiting []uint64 `json:"waiting"`
	// Quarantined are releases that a server did not do well with, while nothing that
	// anybody has made since is rolled out.
	Quarantined []QuarantineStatus `json:"quarantined"`
	// Pending are servers with changed files that are in no release yet.
	Pending []PendingStatus `json:"pending"`
	// Lost are servers whose patch folder is left alone since files are gone from it.
	Lost []LostStatus `json:"lost"`
	// Conflicts are versions of files that lost against a release and were kept aside.
	Conflicts []ConflictStatus `json:"conflicts"`
}

// RolloutStatus is a release on its way to the servers.
type RolloutStatus struct {
	Release uint64 `json:"release"`
	// Server is the one that is being brought to it, "" while none is.
	Server string `json:"server"`
	// Done are the servers that have it, Left those that have not.
	Done []string `json:"done"`
	Left []string `json:"left"`
}

// QuarantineStatus is a release in quarantine.
type QuarantineStatus struct {
	Release uint64 `json:"release"`
	Origin  string `json:"origin"`
	Reason  string `json:"reason"`
}

// PendingStatus is a server with changes that are in no release yet.
type PendingStatus struct {
	Server string `json:"server"`
	Files  int    `json:"files"`
	// Reason says what they wait for, "" while they settle or are being published.
	Reason string `json:"reason,omitempty"`
}

// LostStatus is a server whose patch folder is left alone.
type LostStatus struct {
	Server string `json:"server"`
	// Reason says what is gone, and Finding names that: a confirmation takes it. It is
	// empty when nothing can be confirmed, since there is no folder.
	Reason  string `json:"reason"`
	Finding string `json:"finding,omitempty"`
}

// ConflictStatus is a version of a file that was kept aside.
type ConflictStatus struct {
	// Server is the one on whose machine it is kept, as File.
	Server string `json:"server"`
	File   string `json:"file"`
	Path   string `json:"path"`
	// Release is the one that won, From the server that the version is from.
	Release uint64    `json:"release"`
	From    string    `json:"from,omitempty"`
	Time    time.Time `json:"time"`
}

// releasesStatus tells of releases; problems are what an operator must put right. Nil
// on a node that is no booster of a cluster.
func (a *App) releasesStatus() (s *ReleasesStatus, problems []string) {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return nil, nil
	}
	r := node.conductor.releases
	st := r.Status()
	if st.Trouble != "" {
		problems = append(problems, "releases: nothing is published or rolled out, since this booster's state_dir can't be read or written to; it is tried again: "+plain(st.Trouble))
	}
	s = &ReleasesStatus{
		Head: st.Head.Number, Waiting: []uint64{}, Quarantined: []QuarantineStatus{}, Pending: []PendingStatus{}, Lost: []LostStatus{}, Conflicts: []ConflictStatus{},
	}
	for _, rel := range st.Releases {
		switch {
		case rel.State == sequence.Current:
			s.Target = rel.Ref.Number
		case rel.State == sequence.Waiting:
			s.Waiting = append(s.Waiting, rel.Ref.Number)
		case rel.Alarm:
			q := QuarantineStatus{Release: rel.Ref.Number, Origin: rel.Origin, Reason: plain(rel.Quarantined)}
			s.Quarantined = append(s.Quarantined, q)
			problems = append(problems, fmt.Sprintf("release %d of %s is in quarantine: %s", q.Release, q.Origin, q.Reason))
		}
	}
	slices.Sort(s.Waiting)
	s.Rollout = rolloutStatus(s.Target, serverReleases(node.node), node.conductor.out())
	for _, of := range r.standing() {
		problems = append(problems, s.add(of)...)
	}
	return s, problems
}

// add takes a server's standing in and returns its problems.
func (s *ReleasesStatus) add(of standing) (problems []string) {
	if of.Pending > 0 {
		s.Pending = append(s.Pending, PendingStatus{Server: of.server, Files: of.Pending, Reason: plain(of.Waiting)})
	}
	for _, c := range of.Conflicts {
		s.Conflicts = append(s.Conflicts, ConflictStatus{
			Server: of.server, File: plain(c.File), Path: c.Path, Release: c.Release, From: plain(c.From), Time: c.Time,
		})
	}
	if n := len(of.Conflicts); n > 0 {
		c := of.Conflicts[0]
		problem := fmt.Sprintf("server %s keeps %d versions of files that lost against a release, the newest of %s in %s: look at them and remove them",
			of.server, n+of.More, c.Path, plain(c.File))
		if n+of.More == 1 {
			problem = fmt.Sprintf("server %s keeps a version of %s that lost against a release in %s: look at it and remove it", of.server, c.Path, plain(c.File))
		}
		problems = append(problems, problem)
	}
	if of.Trouble != "" {
		problems = append(problems, fmt.Sprintf("server %s: %s", of.server, plain(of.Trouble)))
	}
	if of.Suspicious != "" {
		l := LostStatus{Server: of.server, Reason: plain(of.Suspicious), Finding: plain(of.Finding)}
		s.Lost = append(s.Lost, l)
		problems = append(problems, lostProblem(l.Server, patchFolder, l.Reason, l.Finding))
	}
	if of.Watch != "" {
		problems = append(problems, fmt.Sprintf("server %s finds changed files late: %s", of.server, plain(of.Watch)))
	}
	return problems
}

// serverReleases are the releases of the servers whose processes agents run and whose
// agents answer.
func serverReleases(node *gossip.Node) map[string]uint64 {
	alive := make(map[string]bool)
	for _, name := range others(node, gossip.KindAgent) {
		alive[name] = true
	}
	got := make(map[string]uint64)
	for _, r := range node.Reports() {
		if r.Managed && alive[r.Server] {
			got[r.Server] = r.Release
		}
	}
	return got
}

// rolloutStatus compares the servers with the target. out are those that are taken out.
func rolloutStatus(target uint64, servers map[string]uint64, out map[string]string) *RolloutStatus {
	s := &RolloutStatus{Release: target, Done: []string{}, Left: []string{}}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if servers[name] == target {
			s.Done = append(s.Done, name)
			continue
		}
		s.Left = append(s.Left, name)
		if _, ok := out[name]; ok && s.Server == "" {
			s.Server = name
		}
	}
	if target == 0 || len(s.Left) == 0 {
		return nil
	}
	return s
}

// out are the servers that the active booster has taken out, with the reason.
func (c *conductor) out() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.orders.Out)
}

// print writes the releases' lines of the status.
func (s *ReleasesStatus) print(page *strings.Builder) {
	if s.Head == 0 && len(s.Pending) == 0 {
		return
	}
	fmt.Fprintf(page, "\nReleases: the newest is %d", s.Head)
	switch {
	case s.Rollout != nil && s.Rollout.Server != "":
		fmt.Fprintf(page, "; server %s is brought to %d, %d of %d have it", s.Rollout.Server, s.Target, len(s.Rollout.Done), len(s.Rollout.Done)+len(s.Rollout.Left))
	case s.Rollout != nil:
		fmt.Fprintf(page, "; %d is not on %s yet", s.Target, strings.Join(s.Rollout.Left, ", "))
	case s.Target == 0 && s.Head != 0:
		page.WriteString("; nothing is rolled out")
	case s.Target != s.Head:
		fmt.Fprintf(page, "; all servers whose agents answer have %d", s.Target)
	case s.Head != 0:
		page.WriteString(", and all servers whose agents answer have it")
	}
	page.WriteString("\n")
	for _, n := range s.Waiting {
		fmt.Fprintf(page, "Release %d waits: booster omflow releases approve %d\n", n, n)
	}
	for _, p := range s.Pending {
		fmt.Fprintf(page, "Pending on %s: %d changed files", p.Server, p.Files)
		if p.Reason != "" {
			fmt.Fprintf(page, ": %s", p.Reason)
		}
		page.WriteString("\n")
	}
}

// plain is a text of another node on one line, without anything that a terminal obeys.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
}

// ReleaseStatus is a release, as a list shows it.
type ReleaseStatus struct {
	Number uint64       `json:"number"`
	Hash   string       `json:"hash"`
	Kind   release.Kind `json:"kind"`
	// Origin is the node that it was made on, Time when.
	Origin string    `json:"origin"`
	Time   time.Time `json:"time"`
	Note   string    `json:"note,omitempty"`
	// Files and Bytes are what the release holds in all.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Changes counts what it changed; null when the one before is not known any more.
	Changes *release.Summary `json:"changes"`
	// State is current, waiting, quarantined or past, and Reason why it is in
	// quarantine.
	State  sequence.State `json:"state"`
	Reason string         `json:"reason,omitempty"`
	// Servers are those that have it.
	Servers []string `json:"servers"`
}

func releaseStatus(r sequence.Release, servers map[string]uint64) ReleaseStatus {
	s := ReleaseStatus{
		Number: r.Ref.Number, Hash: r.Ref.Hash.String(), Kind: r.Kind, Origin: r.Origin, Time: r.Time, Note: plain(r.Note),
		Files: r.Files, Bytes: r.Bytes, Changes: r.Changes, State: r.State, Reason: plain(r.Quarantined), Servers: []string{},
	}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if servers[name] == r.Ref.Number {
			s.Servers = append(s.Servers, name)
		}
	}
	return s
}

// ReleaseServer is how a server stands to a release.
type ReleaseServer struct {
	Name string `json:"name"`
	// Release is the one that it has, Staged the newest one that it could be brought
	// to.
	Release uint64 `json:"release"`
	Staged  uint64 `json:"staged"`
	// State is applied, staged or missing, or later when the server has a later one.
	State string `json:"state"`
	// Trouble says why it does not get there.
	Trouble string `json:"trouble,omitempty"`
}

// States of a release on a server.
const (
	onApplied = "applied"
	onStaged  = "staged"
	onMissing = "missing"
	onLater   = "later"
)

// releaseServers tells how the servers stand to a release.
func releaseServers(number uint64, servers map[string]uint64, standings []standing) []ReleaseServer {
	of := make(map[string]api.Standing)
	for _, s := range standings {
		of[s.server] = s.Standing
	}
	out := []ReleaseServer{}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		s := ReleaseServer{Name: name, Release: servers[name], Staged: of[name].Staged, State: onMissing}
		switch {
		case s.Release == number:
			s.State = onApplied
		case s.Release > number:
			s.State = onLater
		case s.Staged >= number:
			s.State = onStaged
		}
		if s.Release < number {
			s.Trouble = plain(of[name].Trouble)
		}
		out = append(out, s)
	}
	return out
}
