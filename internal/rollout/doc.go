// Package rollout decides which server is the lead server, and restarts servers
// one at a time.
//
// # The lead server
//
// An OMFLOW Server that is started with RUN_MAIN=true in its environment runs the
// schedules, and puts all that the flow queue's journal holds into its own queue.
// Without it, it does neither. So exactly one server, the lead server, is started
// with it, and never two at a time: schedules would fire twice, and steps run
// twice. The lead server also takes the requests that change one process's memory
// or disk, so that two administrators' changes don't undo each other.
//
// # Who decides
//
// The active booster's [Coordinator] does. Agents ask it, each second and when
// something changes, and say what runs ([Ask]); it answers what should run
// ([Answer]). Because agents ask, the lease of the lead server is safe without
// synchronous clocks: the agent counts its time from before it asked, the
// coordinator from after it was asked.
//
// A grant is for one life of one process. When that process ends, for whatever
// reason, so does the grant, and the next start needs another one: what the dead
// process left in the flow queue's journal may be replayed only when nobody else's
// items are in it.
//
//   - [LeaseTime] after it last asked, the agent ends the lead process by itself,
//     asking first and killing after [StopTime]. A guard process kills it if the
//     agent can't, because it stands still, [GuardTime] after the lease.
//   - [FenceTime] after it last answered, and not before, the coordinator may grant
//     to another server. An agent that says that it has ended its process gives the
//     lease back at once.
//   - A coordinator that has just become the active one does not know what the one
//     before it has granted. It takes over the holder that asks it; otherwise it
//     waits FenceTime, unless all servers that could be the holder have said that
//     they are not.
//   - Terms fence: an agent obeys no booster whose term is lower than the highest
//     that it has heard of. One that says that it is not the holder counts only
//     when it has heard of the present term.
//   - No mark means that the cluster is new, unless an agent that asks has heard of a
//     booster before: then the mark was lost, and FenceTime is waited.
//
// Where only one booster is configured, nobody else can grant. The holder then goes
// on while the booster is away, as long as it reaches at least half of the
// witnesses, up to five other agents that the booster has named, and none of those
// hears the booster. The booster in turn grants to another server, without the
// holder's word, only while more than half of the witnesses ask it. Any such half
// and any such majority have a witness in common, which can't both hear the booster
// and not hear it. The holder's witnesses are part of the mark that all nodes keep,
// and are written there before the holder is told others.
//
// # Which server it becomes
//
// One that can be kept running before one that can't, then one on the newest release, then
// the one that lacks the fewest files of the replicated folder, then one that has seen the
// newest control change, then the one that was the lead last, which the mark names, then the
// first by name.
//
// A lead server that does not find a ticket's attachments marks them as deleted for good
// (measured on OMFLOW 1.1.0.0). So one that was off, or cut off, is not to become the lead
// before it has what came meanwhile. Agents say how many files they know that others have
// and they have not ([Ask].MissingFiles), and whether there may be more ([Ask].Uncompared).
// Who has not compared comes last; but while there was no lead server yet, as at a cluster's
// first start, nobody is behind for that, and neither is ever the server that was the lead
// last, to which all came.
//
// If the best one is behind others all the same, or has not compared, because they can't be
// the lead or are not there, it is waited for, without a lead server, for 30 s at most. Then
// it becomes the lead as it is, and that is logged. Files that nobody has whose agent asks
// are not waited for. An operator's choice that is behind is waited for as long while the
// lead server goes on, and then given up.
//
// # The time without a lead server
//
// What the schedules were to do while there was no lead server, nobody has done. So a
// coordinator remembers when it is proved that the holder's process last ran, and since when
// surely no lead process has run: by the word of the holder's agent, which has seen it
// end, else since it could end the lease. The next holder is told both ([Vacancy]) and
// makes up for it. After the booster has changed, and the lead server was lost with the
// one before, a time is told at which it may not have run any more. When nobody knows
// that there was a lead server, as after the whole cluster was stopped, nothing is told,
// and nothing is made up for.
//
// # The flow queue's journal
//
// The journal is a table that all servers share, and no row says whose it is. A
// follower is restarted once the journal was seen without rows that are younger than
// its process, after its drain, since then none of its items can be left. A lead
// process is started only when no row is left that a living server may be working on
// ([Journal]). For the last moment, work that would add rows is held in the boosters'
// queues, until the new lead process has read the journal.
//
// Between two steps a ticket has no row, for about 12 ms, and for as long as the database,
// or its server, stands still just then. So before a lead process is started the tickets
// that run and have no row are looked for as well ([Reading].Between), at the same moment as
// the rows, and are judged as rows are: a living server's is waited for up to [StalledTime],
// and one of which nothing is known for [StrandedTime]; a dead server's is nobody's at once,
// and the agent of the server that becomes the lead writes its row ([Answer].Sifted). Since
// work is held, and no lead process runs, a living server has nothing any more once two
// readings in a row have found nothing of its.
//
// Whose a row is, the boosters mostly know: they have sent the requests that opened and
// pushed the tickets, and all steps that follow one run in the process that took it
// (package owners). So each row has a [Fate], by its ticket's last request:
//
//   - [Living]: the process that took it still runs. It is waited for up to [StuckTime],
//     and so is a row that may be a living server's for all that is known.
//   - [Dead]: the server has no process any more, or one that was started after the
//     request was answered. It is nobody's at once. But what was in the journal when a
//     lead process was started is that one's from then on, and lives as long as it.
//   - [Lost]: the server's agent does not ask any more, the server itself does not answer
//     the boosters either, and nothing proves that its process has ended. When a server
//     has died, it counts as dead when it has not changed for [QuietTime].
//   - [Unknown]: no booster has seen a request for it (a schedule has made it, or a
//     request whose answer names no ticket), or another server may have gone on with the
//     ticket without one (it waited for a ticket of another flow, or paused), or too much
//     was forgotten. When the lead server has died it counts as dead after QuietTime: it
//     is most likely the lead's, and without a lead server schedules stand still. When a
//     follower has died, after [UnknownTime].
//
// Whatever its fate, a row is surely nobody's when it is older than all processes that
// live. When nobody has died, all but dead rows are waited for up to StuckTime.
//
// A follower that dies leaves rows that nobody works on. When they are dead, or have
// stood still for long enough, the lead server is restarted, and resumes them. It is not
// taken from the users for that while a living server works on a long step, for up to
// UnknownTime. A booster
// that has just become the active one does not know who has died before: rows that were
// in the journal then, and are not known to be dead, are resumed after StuckTime.
// The lead server is restarted, too, when an agent has found tickets whose row the journal
// lacks ([Ask].Stranded) since its process was started: the next start writes it. An agent
// asks for that three times at most on account of one ticket.
//
// # Pauses
//
// A ticket that pauses on a follower waits until a lead server is started the next time.
// When the lead server's agent tells of such tickets ([Ask.Pauses]) the lead server gets
// a new process, as for a change of lead, and no more often than every three minutes: a
// start goes on with all that were made before it. It is not taken from the users for that
// while somebody works on a long step, for up to StuckTime.
//
// # Refresh
//
// A control request that succeeded on the lead server begins a new control epoch
// ([Epoch]). Followers that have not seen it are behind: each is taken
// out, restarted, and put back when it is well, one at a time. In the same way
// servers are restarted whose flow queue has lost its database connections.
//
// No server is taken for one that has seen a change, and has not, because:
//
//   - A change is noted when its request was answered, before its client is told, and once
//     more when a request that nobody waited for any longer has ended. So what it wrote into
//     the database is read by each process that is started after it was noted.
//   - Its files are in a release, if it has written any. So a change counts for new processes
//     only when it is settled ([Settled]): when the lead server's agent, asked later, has no
//     files that are in no release, or could not have them published for 15 s, as with a
//     full disk, and only on the files of that release, if there is one. A server that is
//     started by itself before that, or without the files, is behind, and is restarted once:
//     with the release, or when the change is settled, if no files came of it. One that can't
//     get the files is behind for as long, and is not restarted for nothing.
//   - What a process has seen is determined before it is started, and belongs to it: however
//     late its agent hears of its start, and whatever of new changes before, and when another
//     agent takes it over ([Ask].Epoch).
//   - A coordinator that has just become the active one takes nothing for settled before it
//     has waited as for a change that was made then.
//   - A change is never older than one that its booster has noted before, and who has joined
//     the cluster has all marks that those know whom it has joined.
//
// # Releases
//
// The newest release that may be rolled out ([Releases].Target) is brought to one server
// after the other, while all others are up: taken out, stopped, the files replaced by its
// agent, started, and put back when it is well. One that is down anyway comes first, since
// nothing is lost by it, then the one whose files it was made from, so that a bad release
// stops where it was made, and the lead server last. A server that runs with it and is not
// well within a minute ends the roll-out: the release is taken back ([Releases].Failed). One
// that could not apply it is left alone for a minute, and the others get it.
//
// # What fails, and what then happens
//
//   - The coordinator dies: its orders to the boosters (servers taken out, work
//     held) expire after [OrderTime]. The next one begins anew with what agents tell.
//   - A server does not come back well: the round ends, the others are left alone,
//     and it is tried again later. The server stays as behind as it was.
//   - A bad release can't be marked as bad, because the booster's disk is full, for instance:
//     no other server gets it, and that is tried again each minute. If it is marked, nothing
//     is rolled out until something takes its place (package release/sequence).
//   - There is no lead server any more, or one has lost the database: a refresh that
//     is under way ends for that.
//   - An agent stands still with an order to restart: the order is none any more
//     OrderTime after it was last repeated.
//   - The journal can't be read by any agent: the coordinator waits [BlindTime] in
//     its place and says so.
//   - A booster that is alive does not confirm an order, or does not tell what it has
//     noted of tickets: nothing is restarted, and it is tried again. What has begun
//     already goes on.
//   - A booster has died, and what it noted last was not copied: those tickets are
//     unknown. A step of theirs runs twice when it takes longer than QuietTime or
//     UnknownTime on a living server, just when another one has died.
//   - A living server works on one step for more than StuckTime, and another has died:
//     that step runs twice. Until then there may be no lead server.
//   - A living server stands still between two steps of a ticket for more than StalledTime,
//     or StrandedTime if nobody knows that it is its, just when a lead server is started,
//     and then goes on: the next step runs twice. So it does after a moment's standing
//     still where the tables can't be looked through in time, which is logged; and of
//     servers without an agent after some seconds.
//   - Servers lose the database while there is no lead server: they are restarted before
//     one is started, since what they have in the flow queue would not come to an end.
//   - Where only one booster is configured, and all nodes have lost the mark while
//     the holder is cut off: nobody knows of its witnesses, and two may be the lead
//     until it is reached again.
//
// The package knows no HTTP and no gossip: its owner carries messages.
package rollout
