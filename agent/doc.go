// Package agent is the part of OMFLOW Booster that runs beside each OMFLOW
// Server, as the Caddy module "omflow.agent" under the omflow app.
//
// It starts the server's process and keeps it running (package supervise), asks
// it for its health over HTTP at the very address the boosters use (package
// health), and reports what it knows to the boosters (package gossip). With no
// command to run it only checks and reports.
//
// # What happens when something fails
//
// A process that exits is started again after a pause; one that exits again and
// again right after its start is given up and reported as failed, until the
// configuration is loaded again. A process that runs but fails its live check
// fall times in a row hangs: it is asked to end, killed after 3 s, and started
// anew. A server that was just started has 60 s before its live check counts. A
// server that is live but not ready, as when its database is away, is reported
// as down and left running: a restart would not help it. When the agent itself
// crashes, the server goes on, and the next agent adopts its process.
//
// # Reloads
//
// What runs is a [runner], kept in a caddy.UsagePool by state folder and server
// name, so that a reload of the Caddyfile changes it in place: the process is
// restarted only when its command or folder changed, the checks begin anew only
// when they changed. A reload that Caddy takes back gives the runner its former
// settings again. When the last user is gone, because Caddy ends or the agent
// block was removed, the server is stopped, for which Caddy waits up to
// stop_grace.
//
// # Patches
//
// With a patch block, the folder in it is kept the same on all servers (package patch).
// The agent tells the boosters which release its files are, and which is ready; the
// active booster orders one server at a time to be brought to a release. Then the
// monitor has it prepared while the server still runs, stops the server, applies it,
// and starts the server. A server that does not run is brought to the release before
// it is started, so that it catches up before it takes requests. With on_change none
// or run the server is left running. A server that something else runs gets a release
// as soon as one that is run by its agent does well with it, all such servers at once.
//
// A release that can't be prepared leaves the server as it is; one that can't be
// applied leaves its files as they were, and the server is started on them; both are
// told to the boosters, which take the release back, and not tried again for a minute.
// While the files are between two releases the server is not started, and the report
// says why. The patch folder is kept open over a reload unless its block has changed.
//
// # How it works
//
// One goroutine, the monitor, owns everything about a server. It hears of the
// process, of the checks and of new settings through channels, acts (at most one
// restart at a time, in a goroutine of its own because it takes long), and
// after each event makes a report. Which state follows from what it heard is a
// pure function, assess. Applying a release is such an act too; patching has what
// belongs to it.
package agent
