// Package fleet keeps the servers that one front door sends requests to: who they
// are, whether they are well, and the connections to them.
//
// It composes balance (who takes the next request), proxy (the connections) and
// health (the checks). It knows nothing of gossip and of Caddy: its owner tells it
// the servers of the configuration (Configure), those that agents report
// (SetAgents), what operators asked for (SetMarks), and what a coordinator wants: who
// is the lead (SetLead), who is behind (SetBehind) or out (SetOut), and whether work
// is held (SetHold).
//
// # When a server is up
//
// A server of the configuration is up when its checks pass. A server with an
// agent must be well in both views: the agent, beside it, checks its process and
// database; the booster checks that it answers from here. A booster never takes
// an agent's word alone for a server that it can't reach, and when the agent is
// lost, the booster's own view is enough: the server goes on.
//
// # The lead server
//
// It is the server of the configuration that is marked so; or else the one that the
// coordinator names; or else, where no server has an agent and so nobody coordinates,
// the first of the configuration that is no backup. That one stays the lead while it
// is down: the control changes and files that were made are on it, and a server that
// took over would undo or miss them. Control and file requests wait for it then.
//
// # What fails, and what happens then
//
//   - A connection is refused: the server is down at that moment, without
//     waiting for a check, and is asked four times a second until it answers.
//   - A server goes down: requests that wait for it go elsewhere, requests that
//     run on it and may be repeated are ended so that their callers repeat them.
//     Those that must not be repeated go on waiting for their answer.
//   - An agent reports that its server is starting, down or has failed: it gets no
//     requests, whatever the booster's own check says.
//   - The lead is down, drains or is not there: its requests wait, all others go on.
//   - All servers that have seen the newest control change are gone: with Strict, too,
//     those that are behind take requests again, which is logged when it begins and
//     when it ends.
//   - A server leaves the configuration, or an agent says good-bye: running
//     requests end, connections are closed.
//   - An agent reports what can't be used, such as an address without a port or the
//     name of another server: it is logged and left out, the others are not touched.
//   - A reload begins all checks anew. Until they have a verdict the old one holds.
//
// All methods of Fleet may be called from any goroutine.
package fleet
