// Package watch turns what happens in a folder into settled sets of changes.
//
// A [Watcher] compares a folder with a base, a [Tree] which its owner sets: what
// the folder should hold. When the two differ and the difference has settled, a
// [Change] comes out. The owner accepts it by making its tree the base; what the
// owner writes into the folder itself is no change when the base is set to match,
// with [Watcher.Pause] and [Watcher.Resume] around it.
//
// # The scan is the truth
//
// fsnotify only says where to look and when. Directories it named are listed
// and each name's size, times, mode and inode are compared with what was known;
// every [Config.Rescan] the whole folder is. So a lost event delays a change but
// does not lose it. Content is compared by SHA-256; a file is read only when its
// size, mtime, ctime, inode or executable bit changed, and once more if it was
// read so soon after its change that a later one could have left the same times.
// The hashes outlive a restart in [Config.CacheFile]; a damaged one costs a full
// read. Directories are opened one below the other and checked to be the ones
// that were listed, so that no symbolic link is followed, not even one that
// appears in between.
//
// # Settled
//
// A change counts when nothing in the folder has changed for [Config.Settle],
// and no process has a changed file open for writing; all that changed together
// comes out together. Writers are seen through a read lease on Linux, which the
// system refuses while there is one, and through an open that denies sharing on
// Windows; a writer that pauses for longer than the settle time is waited for,
// however long it takes. A lease can be had by the owner of a file and with
// CAP_LEASE only, and not on network file systems; without it only quiet time
// counts, and [Status.Degraded] says so.
//
// A change is read before it counts, after an eighth of the settle time, so that a large
// file is hashed by then; and only once until it does, so that who writes the same file
// again and again does not keep the disk busy. Writers are looked for when it counts all
// the same.
//
// While some files go on changing, the others are published after
// [Config.MaxSettle]; in the Tree the unfinished ones are as the base has them.
// This may part files that belong together, but never a file. Between the
// publishing and a reading of the files they may change again: who copies them
// checks the hashes, and takes the next Change when they differ.
//
// # What is not published
//
// Links, devices, pipes and sockets; files that are too large, too deep or not
// readable; names that are not UTF-8, hold a backslash or a control character,
// end in a dot or space, or are reserved on Windows; names that differ by case
// only, unless the base has one of them, which goes on. Such names are in
// [Status.Refused] with the reason. A file of the base whose place is refused now,
// or which the rules do not cover any more, counts as unchanged: it is not in
// sight, and that is no deletion. Empty directories are not published either.
//
// # Suspicious
//
// Nothing is published while the folder is missing, has been replaced by
// another, has lost or got a mount, holds nothing any more that is looked at, or has
// lost more than [Config.RemovalShare] of its files within ten minutes, be it at once or
// bit by bit, and with a restart in between: a slow wipe is published in parts before it
// can be told from a few removals, but never for more than that share. A file whose
// content is at another place in the folder, since it was moved there, or copied before it
// was removed, is not lost. [Status.Suspicious] says which. It
// ends when the files are back or [Watcher.ConfirmRemoval] is called, which takes the name
// of what was looked at ([Status.Finding]) and stands for that: when more is gone by then,
// or goes later, that is asked about again. Replacements
// and mounts are only noticed while the Watcher runs; what they take away is
// still noticed after a restart. The system reports no unmounting, so that a rescan may
// have to find it: who is about to write into the folder asks [Watcher.Known] first.
//
// Before a removal is published each file is looked for once more. One that is there, since
// somebody deleted it and made it again just while its directory was listed, goes on as
// the base has it until it was looked at.
//
// # When the system does not report
//
// Too few inotify watches or instances, a network file system: logged once, told
// in [Status.Degraded], and made good by rescans, each of which tries the missing
// watches again; an instance is asked for by New only. When the system's queue of events
// ran over, a rescan follows at once. A file system that hangs holds the Watcher's
// goroutine, and with it all methods but Status and Known. Outside Linux directories have no inode here, so that a
// mount goes unnoticed, and a directory that took another's place unreported is
// found by a rescan only; on Windows the time of a change is mtime, which a copy
// may set to the past, so that quiet means quiet of events.
//
// # How it works
//
// One goroutine gathers events in an inbox, so that the system's queue stays
// empty; another owns all other state, and does one thing after the other:
// hear (the inbox), look (bring the known files up to date), settle (decide, in
// a type that knows times only), read (hash what changed), compare, publish.
// Methods hand it a function and wait for it; it leaves off reading for that, and goes on
// later where it left off.
// Both have ended when Close returns.
package watch
