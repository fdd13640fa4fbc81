package api

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/omflow/booster/internal/release"
)

// Bounds of messages.
const (
	// MaxBlobs is how many blobs one question may name. Client.Blobs asks several
	// times for more.
	MaxBlobs = 10_000
	// MaxAnnounced is how many releases are announced at once.
	MaxAnnounced = 8
	// MaxUpdate is how many releases are copied to the other booster at once.
	MaxUpdate = 8
	// MaxKeep bounds Proposal.Keep.
	MaxKeep = 1000
	// MaxConflicts is how many kept versions a Standing names.
	MaxConflicts = 100
	// MaxText bounds a text for people in a message, in bytes.
	MaxText = 512

	maxQuarantined = 64
)

// ErrRefused: what was proposed can't be a release, now or later.
var ErrRefused = errors.New("refused")

// ErrChanging: what was proposed may be half of what the server is about to write. It is
// to be looked at again when that has settled, and proposed as it is then.
var ErrChanging = errors.New("the server's files are being changed")

// ErrBusy: the agent serves as many others as it may.
var ErrBusy = errors.New("the agent serves blobs to too many others")

// Proposal is a release that has no number yet but the one that it wants.
type Proposal struct {
	Manifest *release.Manifest `json:"-"`
	// Manual: the release waits until a person approves it.
	Manual bool `json:"manual,omitempty"`
	// InMemory: the origin's process has the release already, as after OMFLOW has
	// deployed a flow, so that it need not be restarted for it.
	InMemory bool `json:"in_memory,omitempty"`
	// Keep is how many releases are to stay for rolling back. 0: the default.
	Keep int `json:"keep,omitempty"`
	// Delta: the manifest travels as what differs from its parent. Client.Propose sets it.
	Delta bool `json:"delta,omitempty"`
}

// Validate refuses what no agent proposes. The manifest is not looked at.
func (p Proposal) Validate() error {
	if p.Keep < 0 || p.Keep > MaxKeep {
		return fmt.Errorf("proposal: keep %d is not in 0 to %d", p.Keep, MaxKeep)
	}
	return nil
}

// Quarantine is a release that may not be rolled out.
type Quarantine struct {
	Release release.Ref `json:"release"`
	// Reason is for people, and not empty. At most MaxText bytes.
	Reason string `json:"reason"`
}

// Update is what the active booster's sequence has and the other's is to have.
type Update struct {
	// Term is the active booster's.
	Term uint64 `json:"term"`
	// Approved is the newest release that was approved; with it all before it were.
	Approved release.Ref `json:"approved"`
	// InMemory are releases that their origin's process has.
	InMemory []release.Ref `json:"in_memory,omitempty"`
	// Quarantined are the newest releases in quarantine.
	Quarantined []Quarantine `json:"quarantined,omitempty"`
	// Keep is how many releases are to stay. 0: the default.
	Keep int `json:"keep,omitempty"`
	// Chain are releases, each the parent of the next. At most MaxUpdate.
	Chain []*release.Manifest `json:"-"`
}

// Validate refuses what no booster sends. The chain's releases are not looked at.
func (u Update) Validate() error {
	if len(u.Chain) > MaxUpdate {
		return fmt.Errorf("update: %d releases, more than %d", len(u.Chain), MaxUpdate)
	}
	if len(u.InMemory) > maxQuarantined || len(u.Quarantined) > maxQuarantined {
		return fmt.Errorf("update: marks of more than %d releases", maxQuarantined)
	}
	if u.Keep < 0 || u.Keep > MaxKeep {
		return fmt.Errorf("update: keep %d is not in 0 to %d", u.Keep, MaxKeep)
	}
	for _, q := range u.Quarantined {
		if q.Release.Number == 0 || q.Reason == "" {
			return errors.New("update: a quarantine without a release or a reason")
		}
		if err := checkText(q.Reason); err != nil {
			return fmt.Errorf("update: reason: %w", err)
		}
	}
	return nil
}

// Clip cuts what a sequence knows down to what one Update may hold: the newest.
func Clip[T any](newestFirst []T) []T {
	return newestFirst[:min(len(newestFirst), maxQuarantined)]
}

// Act is what an operator wants of a release.
type Act string

// The acts.
const (
	Approve  Act = "approve"  // a release that waits is rolled out
	Rollback Act = "rollback" // its content comes back as a new release
)

// order is what one booster passes on to the active one.
type order struct {
	Act    Act    `json:"act"`
	Number uint64 `json:"number"`
}

// Validate refuses what no booster passes on.
func (o order) Validate() error {
	if o.Act != Approve && o.Act != Rollback {
		return fmt.Errorf("%.20q is nothing to do with a release", o.Act)
	}
	if o.Number == 0 {
		return errors.New("no release is named")
	}
	return nil
}

// numbered is the answer of whoever made a release.
type numbered struct {
	Number uint64 `json:"number"`
}

// Standing is how the files of an agent's server stand.
type Standing struct {
	// Applied is the release that the files are, zero for none.
	Applied release.Ref `json:"applied"`
	// Staged is the newest release of which everything is here.
	Staged uint64 `json:"staged,omitempty"`
	// Pending is how many files have changed here that are in no release yet.
	Pending int `json:"pending,omitempty"`
	// Waiting says what those wait for, "" while they only settle.
	Waiting string `json:"waiting,omitempty"`
	// Trouble says why the newest release can't be staged or applied here.
	Trouble string `json:"trouble,omitempty"`
	// Watch says what the watcher can't see, so that changes are found late; "" when
	// it sees everything.
	Watch string `json:"watch,omitempty"`
	// Suspicious says what is gone from the folder, so that nothing is published from
	// it and nothing applied to it until the files are back or somebody has said what
	// to make of it, see Lost; "" when nothing is.
	Suspicious string `json:"suspicious,omitempty"`
	// Finding names what Suspicious tells, so that who confirms it confirms what was
	// looked at; "" when there is nothing that could be confirmed.
	Finding string `json:"finding,omitempty"`
	// Conflicts are the newest versions that were kept aside, until a person removes
	// them. At most MaxConflicts; More is how many others there are.
	Conflicts []Conflict `json:"conflicts,omitempty"`
	More      int        `json:"more,omitempty"`
}

// Conflict is a version of a file that lost and was kept aside.
type Conflict struct {
	// Path is the file's, in the tree.
	Path string `json:"path"`
	// Release is the number of the one that won.
	Release uint64 `json:"release"`
	// From is the node that the version is from.
	From string `json:"from,omitempty"`
	// File is where it is kept, on the machine whose standing this is.
	File string `json:"file"`
	// Time is when it was kept.
	Time time.Time `json:"time"`
}

// maxPlace bounds Conflict.File, in bytes: two paths and a folder.
const maxPlace = 8 << 10

// Validate refuses what no agent says.
func (s Standing) Validate() error {
	if len(s.Conflicts) > MaxConflicts || s.More < 0 || s.Pending < 0 {
		return errors.New("standing: a number is out of bounds")
	}
	for _, text := range []string{s.Waiting, s.Trouble, s.Watch, s.Suspicious} {
		if err := checkText(text); err != nil {
			return fmt.Errorf("standing: %w", err)
		}
	}
	if len(s.Finding) > maxFinding || !utf8.ValidString(s.Finding) {
		return errors.New("standing: a finding's name is too long or no text")
	}
	for _, c := range s.Conflicts {
		if err := release.CheckPath(c.Path); err != nil {
			return fmt.Errorf("standing: conflict: %w", err)
		}
		if len(c.File) > maxPlace || !utf8.ValidString(c.File) || len(c.From) > release.MaxOrigin || !utf8.ValidString(c.From) {
			return errors.New("standing: a conflict's name is too long or no text")
		}
	}
	return nil
}

func checkText(s string) error {
	if len(s) > MaxText || !utf8.ValidString(s) {
		return fmt.Errorf("a text of %d bytes is longer than %d or not UTF-8", len(s), MaxText)
	}
	return nil
}
