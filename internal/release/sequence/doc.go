// Package sequence is the boosters' side of releases: it gives out their numbers,
// says which may be rolled out, and takes back those that did not do well.
//
// # Who gives out numbers
//
// The active booster's [Sequencer] does, over its release log (package history): a
// release is taken when its parent is the newest one. It is copied to the other
// booster, if that one is alive, before the origin gets its answer. A standby follows
// what the active one copies to it, and answers everything else with
// rollout.ErrNotActive.
//
// # Taking over
//
// A booster that becomes the active one asks all nodes that it reaches for their
// newest release, and gives out no number and names no target before. The longest
// sequence counts: where it goes on from this booster's own, the rest is fetched; where
// two boosters that were cut off from each other have given one number to two
// releases, the longer sequence takes the place of the shorter one, and of two equally
// long ones that which more nodes have. Agents publish again what they had in the
// other one. So a booster whose log is old or was lost makes nobody forget anything:
// agents keep the sequence too.
//
// The same is done from time to time, when a node joins, and whenever an agent says
// that its server has a newer release than this booster knows ([Sequencer.Saw]); until
// that is settled there is no target.
//
// # Which release is the target
//
// The newest one that is approved, or none while that one is in quarantine. A release
// is approved when it is numbered, unless its origin's configuration wants a person to
// approve it, or it stands on one that still waits: a release holds what all before it
// hold. Approving one approves all before it.
//
// # When a server does not do well
//
// [Sequencer.Failed] puts the release in quarantine, and publishes the content of the
// newest one before it that is not, as a new release. If that changes nothing, because
// the failed release had that content already, as when a release that took one back
// fails too, the cause is not in the files: it is only put in quarantine, so that
// nothing more is rolled out until a new release comes or a person approves it again.
// So it never goes back and forth. If it can't be published for another reason, as when
// the disk is full, the active booster tries that again each minute, whichever of the two
// that is by then.
//
// # On disk, below Config.Dir
//
//	manifests/, quarantine.json, published.jsonl   see package history
//	approved.json                                  the newest approved releases
//
// Approvals and quarantines are also marks that all nodes of the cluster have, so that
// they outlive this folder. A mark names a release by its hash as well, and counts for
// that one only.
//
// # What fails, and what happens then
//
//   - The disk is full: the release is not taken, and its origin tries again.
//   - Config.Dir can't be read or written to when the booster starts, as on a disk that was
//     remounted read-only: the booster serves all the same, gives out no number and names no
//     target, tells the origins and the status why, and tries again every 10 s. Where there
//     is another booster, that one can lead.
//   - The other booster does not answer in time: the origin gets its number, and the
//     copy is made later. If this booster dies before that, the other one gets the
//     release from the agents.
//   - A crash after a release was written and before it was copied: the same.
//   - A crash in mid-quarantine: the release is in quarantine and no new one has been
//     made, so nothing is rolled out until the booster that is active next has made it.
//   - A release's file is damaged: it is fetched from any node that has it, within
//     seconds of when that is found. Until then no release can follow the newest one,
//     and one that is to be rolled out is no target.
//   - approved.json can't be read: it is kept as approved.json.damaged, or where it is if
//     the folder can't be written to, told as an error, and what the marks and the other
//     booster say counts. When they say nothing, all releases wait: nothing is rolled out
//     until a person approves. For quarantine.json, see package history.
//   - Two sequences that parted longer ago than releases are kept: the other booster
//     can't follow, which is logged each time.
//
// # Bounds
//
// As many releases are kept as the agents' configuration says with each proposal, 20
// by default, besides those that wait for approval.
package sequence
