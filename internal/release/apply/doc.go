// Package apply brings the tree of files beside one server from release to
// release. Whatever happens on the way, the tree ends as exactly the old release
// or exactly the new one.
//
// # On disk
//
//	<root>/.omflow-staging/new/<step>    a new file, complete, waiting to be renamed
//	<root>/.omflow-staging/old/<step>    an old file, until the plan is finished
//	<state>/applied.json                 manifest of the release that the tree holds
//	<state>/target.json                  manifest of the release that a plan leads to
//	<state>/plan.json                    a plan that is to be finished
//	<state>/undo.json                    a plan that is to be undone
//	<state>/conflicts/<n>-<node>/<path>  versions of files that lost against release n
//
// The staging folder is in the tree so that renames out of it stay on one file
// system; releases can't hold anything there (release.StagingDir), and watchers
// leave it out. The state folder may be on another one.
//
// # How it works
//
// [Applier.Stage] compares the tree with the release, checks the space on the
// disk, and copies the new files to staging, while the server runs. Of a file of 1 MiB
// or more whose blob was hashed minutes ago it only reserves the room, where the system
// can: a release may be taken over by the next one without being applied.
// [Applier.Prepare] copies these too, and waits until all is on the disk; that stays until
// the release is applied or given up, whatever is staged meanwhile.
// [Applier.Apply], when the server has stopped, compares again, stages again only what is
// not staged right, does what Prepare does if that was not called, and then
//
//  1. copies what somebody changed on this server alone to conflicts/, and old
//     content that the blob store doesn't have into it;
//  2. writes target.json, and then plan.json. This is the point of commitment:
//     before it nothing in the tree has changed;
//  3. links each replaced file, and moves each deleted one, to old/; removes
//     what Python compiled from them; removes folders that are empty now, or hold
//     nothing else than what Python compiled; makes
//     new folders; renames the new files into place; syncs the folders;
//  4. keeps old files aside that somebody still wrote to meanwhile;
//  5. renames target.json to applied.json, and removes plan.json.
//
// Everything is synced before the next thing relies on it.
//
// # What a file on the disk is taken for
//
// A file that has the content that the applied release, the target or any
// release of the past gave it is simply old or new; so a server that was away,
// or that was restored from a backup, needs no questions. A file with any other
// content was changed on this server alone: it is kept aside, told, and
// overwritten. A file that no release had is nobody's business here. Links,
// devices and folders in the way, and a link above a path, are refused; the
// executable bit follows the release, the other bits and the owner follow the
// file that is replaced, or the umask and the folder.
//
// # What fails, and what happens then
//
//   - An error before plan.json: the tree was not touched, staging is removed.
//   - A crash before plan.json: the same, by [Applier.Recover].
//   - An error after plan.json, such as a full disk: plan.json is renamed to
//     undo.json and each step is taken back; the tree is the old one. If that
//     fails too, the error matches [ErrUnfinished] and undo.json stays.
//   - A crash after plan.json: Recover goes on from wherever the plan stopped.
//     If it can't, it undoes the plan as above.
//   - A crash while a plan is undone: Recover goes on undoing it.
//   - A plan that can't be read: the tree is compared with the release that was applied
//     before, and brought back to it; with the one that was to be, where there was none. So
//     mode and owner of a file that was out of the tree may be new. If contents are
//     missing for that: ErrUnfinished.
//   - A plan whose target.json is neither there nor the applied release: ErrUnfinished; a
//     person has to look.
//   - An applied.json that can't be read: [Applier.Lost], and the owner finds out which
//     release the tree is. A plan is finished or undone without it.
//
// What could not be read is kept beside, as applied.json.damaged and so on.
//
// A blob that the disk has damaged is found while it is staged, by its hash, dropped,
// and comes from a peer again. Only blobs that were fetched minutes before are not
// hashed a second time: they were when they came, and are still in memory.
//
// A file that somebody changes after the crash and before Recover, when the new
// one was in place already, stays as it was changed.
//
// Each step finds out from the disk whether it was done, so Recover may itself
// be stopped at any point, and doing it twice does no harm. The server may start
// only when Recover has returned without an error.
//
// # Bounds
//
// The tree and the state folder need room for all new files and all kept ones,
// and 16 MiB more. Of one path, 100 versions are kept aside for one release.
package apply
