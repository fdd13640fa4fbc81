// Package testbed runs stand-ins for OMFLOW Server, for tests, demonstrations and
// benchmarks of what stands in front of them.
//
// The pieces are packages of their own:
//
//   - database: what all servers share, which can be taken down and brought back,
//     and of which a part is also served in PostgreSQL's protocol;
//   - dbprocess: real database servers that belong to a test, PostgreSQL for stand-ins
//     too;
//   - engine: flows, their queue, schedules, attachments and settings of one server;
//   - interpreter: how long requests take;
//   - standin: the server itself, as a browser and an API client see it;
//   - instrument: counters and injected faults of one server;
//   - client: a browser and an API client to drive them with;
//   - observe: waiting for what goes on beside a test, and its log;
//   - programs: what tests run that a machine may lack.
//
// This one puts them together: [NewCluster] is a database and some servers in one
// process, for tests; [Main] is one of either as a program, for an agent to start
// and supervise, and for tests that kill and stop real processes.
//
// What a stand-in does is OMFLOW 1.1.0.0 as measured, with the faults that appear
// when several servers share a database. It is not safe to leave open to others:
// the database trusts whoever connects, and with instruments any client can make
// the server misbehave. Both therefore belong on loopback addresses; the database
// refuses any other.
package testbed
