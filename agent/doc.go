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
// configuration is loaded again. While it must not be started, because its database is
// away or its files are between two releases, that waits. A process that runs but fails its live check
// fall times in a row hangs: it is asked to end, killed after 3 s, and started
// anew. A server that was just started has 60 s before its live check counts, and twice as
// long as before, up to 16 minutes, after one that was replaced without having been live. A
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
// stop_grace; systemd is told to wait as long. A server that has gone on over a restart in
// which its node was given another name is ended before it is started under that.
//
// # Patches
//
// With a patch block, the folder in it is kept the same on all servers (package patch).
// The agent tells the boosters which release its files are, and which is ready; the
// active booster orders one server at a time to be brought to a release. Then the
// monitor has it prepared while the server still runs, stops the server, applies it,
// and starts the server. A server that does not run is brought to the release before
// it is started, so that it catches up before it takes requests. With on_change none
// or run the server is left running; of a command for run that has failed people are told
// for a day, and the release counts as applied. A server that something else runs gets a release
// as soon as one that is run by its agent does well with it, all such servers at once.
//
// A release that can't be prepared leaves the server as it is; one that can't be
// applied leaves its files as they were, and the server is started on them; both are
// told to the boosters, which take the release back, and not tried again for a minute.
// While the files are between two releases the server is not started, and the report
// says why. A server that ran while files were brought back that had been gone counts as
// one without the release, so that it is restarted in its turn. The patch folder is kept
// open over a reload unless its block has changed.
//
// # Before and after a lead server
//
// The agent of the lead server looks every 10 s for tickets whose pause is over and that
// its process does not know of, since another server made the pause, and tells the
// boosters, which have the lead server restarted (database.OverduePauses). Each agent
// reads the deployed flows, and tells the boosters which version of them it has; they
// fetch the list and keep tickets that pause on the lead server (package flows). What a
// killed process has left twice of a pause is put right with what it had ended
// (database.SettlePauses).
//
// What a process that was killed had ended and not deleted from the flow queue's journal
// is deleted when its end is seen, and before a lead server's start, which would run it
// again (database.RemoveEnded). Tickets that a process left between two steps are in no
// row of the journal: the agent of the lead server that is about to start looks for them,
// and writes what the journal lacks where the ticket's own row proves it
// (database.Stranded). It looks twice where the booster has waited until nothing of a
// living server's stands there (rollout.Answer.Sifted), else four times within 4 s, and only
// once where there are none. An agent whose server has ended looks for 20 s, writes nothing, and asks for a
// start of the lead server when it has found some; so does one that has just begun and
// finds no process, as after its machine was started again. The tickets of a server
// whose machine stays away wait for the next start of the lead server. Schedules that were due while no lead server ran are
// fired by the start of the next one (package schedule): the booster tells when the one
// before surely ran last, and since when surely none has, the database what was fired. Of
// what can't be known the boosters are told, for people, for a day. A lead server is
// started, and ended as planned, at a moment at which no schedule is due, if one comes
// within 6 s and the lease lasts. When the database can't be read, the lead server is
// started all the same, and people are told that it is not known what was missed.
//
// # New servers
//
// An agent whose server has no address of its own brings a new server into the cluster
// (package bootstrap): its arrival asks the other agents until one gives it settings.py
// and its own options, makes those this machine's, and then begins a runner like any
// other's. That one fetches the newest release, and does not start the server, nor offer
// it as the lead, nor publish its folder, before the release is applied. What was taken
// over is remembered, so that the next agent begins at once. In the middle of a reload
// one arrival goes on at a time. Until it has come to the options its log says what it
// waits for, then the boosters are told, too.
//
// The other way round each agent that runs an OMFLOW Server with its folder in releases
// answers new ones.
//
// # Creates that were lost
//
// When the server died that had a create, a booster asks this agent what became of it
// (package created). The agent waits up to 3 s for the end of the process that ran when the
// create was sent, reads the flow's new tickets, and tells which of them hold what the create
// says. It remembers for a minute what creates were lost, so as to tell tickets of one from
// those of another. Nothing is written. A server whose process is not the agent's, or whose
// database it does not know, has no such answer.
//
// # Oracle's exporter
//
// With the option oracle_exporter the metrics page of Oracle's own exporter is read
// (package oracleexporter). Boosters ask for what is on it over the control API; it
// decides nothing here. A reload that leaves the option as it is leaves the reader
// running, with what it knows.
//
// # What has to be the same on all servers
//
// Without join in the configuration the boosters are those of settings.py ([Agent.Boosters]);
// that it names none is a configuration that is refused. Beside an OMFLOW Server a second
// goroutine, likeness, reads settings.py when the server was started and when the file
// has changed, asks a booster for its clock each 30 s, and tells all nodes what package
// alike compares: a label of SECRET_KEY, TIME_ZONE, the clock, and what is wrong with
// settings.py by itself, a Python included in which OMFLOW fires no schedules. What concerns this server is logged once, until it has changed.
// None of it stops the server: it works, if not as one with the others. A settings.py
// that names no database that can be shared, or a Python that is too old to read it,
// keeps the server from being started, as a database that does not answer does.
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
