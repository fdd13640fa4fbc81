// Package setup makes the files that turn a machine into a node: the Caddyfile,
// the key file and the systemd unit. It is what `booster omflow init` does, as
// far as that needs no Caddy.
//
// It works in three steps, and only the last one changes anything:
//
//  1. [Interview] has one list of questions, [Questions]. Each has a name, under
//     which its answer can be given beforehand (a flag), a check, and often a
//     suggestion found on the [Machine] or in OMFLOW's settings.py. What was
//     not given is asked of an [Asker]: a terminal (package terminal), a stream
//     of lines ([Lines]), or nobody ([Suggested]), who takes each suggestion. The
//     result is a [Plan].
//  2. [Plan.Files] renders the plan; [Compare] holds each file against the disk.
//     [Change.Diff] shows what would change, without keys.
//  3. [Change.Write] writes one file: whole or not at all, under its name only
//     when it is on the disk. Who is to read it is set before that, so that a
//     key is never readable to others. [Plan.MakeState] makes the unit's state folder, if
//     that can be given to the service's user; else the unit makes it when it is started.
//
// # What is written
//
// The Caddyfile is formatted as `booster fmt` formats it and names the key file
// with Caddy's {file.…} placeholder, which is read anew at each reload: so a key
// is changed without a restart, and neither the Caddyfile nor the environment
// of the OMFLOW Server, which inherits the agent's, holds it. The units come from
// the folder templates; rendered with the paths of the Debian package they
// are what that package installs (deploy/systemd), so that on such a machine the
// booster's unit is found to be there already and is not written again. On Windows there
// is no unit; the node becomes a service by a command of its own, and its Caddyfile sends
// the log to a file. Where there is a unit the log is written for people, who read it in the
// journal, without time and colours; the access log stays JSON.
//
// # A new OMFLOW Server
//
// On a machine where none is installed an agent's Caddyfile names the boosters and home
// alone: code, settings.py and the agent's options come from the other servers, and what
// is not written here can't differ from theirs by mistake. The folder is not made here;
// [Plan.Next] says how, for the unit's user.
//
// # What fails
//
// An answer that was given and is refused, one that is missing with nobody to
// ask, and one that belongs to another kind of node end the interview; nothing
// is written then. An answer that was asked for is asked again. A settings.py
// that cannot be read only means that the boosters have to be typed; root reads another
// user's as that user, since Python runs what is in it. A file that
// exists with other contents is never written over unless the caller says so,
// file by file. A failed write leaves the file as it was; files that were
// written before it stay.
package setup
