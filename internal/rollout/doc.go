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
// # The time without a lead server
//
// What the schedules were to do while there was no lead server, nobody has done. So a
// coordinator remembers when the holder last said that its process runs, and since when
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
// ([Journal]). A row is surely a dead server's when it is older than all processes
// that live. It is taken for one when it has not changed for [QuietTime] and a server
// has died; a planned restart waits up to [StuckTime] for a long step instead. For the
// last moment, work that would add rows is held in the boosters' queues, until the new
// lead process has read the journal.
//
// A follower that dies leaves rows that nobody works on. When they have not changed
// for QuietTime, the lead server is restarted, and resumes them. A booster that has
// just become the active one does not know who has died before: what was in the
// journal then is resumed after StuckTime.
//
// # Refresh
//
// A control request that succeeded on the lead server begins a new control epoch
// ([Epoch]). Followers whose process was started before it are behind: each is taken
// out, restarted, and put back when it is well, one at a time. In the same way
// servers are restarted whose flow queue has lost its database connections.
//
// # What fails, and what then happens
//
//   - The coordinator dies: its orders to the boosters (servers taken out, work
//     held) expire after [OrderTime]. The next one begins anew with what agents tell.
//   - A server does not come back well: the round ends, the others are left alone,
//     and it is tried again later. The server stays as behind as it was.
//   - There is no lead server any more, or one has lost the database: a refresh that
//     is under way ends for that.
//   - An agent stands still with an order to restart: the order is none any more
//     OrderTime after it was last repeated.
//   - The journal can't be read by any agent: the coordinator waits [BlindTime] in
//     its place and says so.
//   - A booster that is alive does not confirm an order: nothing is restarted, and
//     it is tried again. What has begun already goes on.
//   - Where only one booster is configured, and all nodes have lost the mark while
//     the holder is cut off: nobody knows of its witnesses, and two may be the lead
//     until it is reached again.
//
// The package knows no HTTP and no gossip: its owner carries messages.
package rollout
