// Package harness runs a whole cluster of real processes for tests: a database,
// a booster, and agents that each supervise a stand-in for OMFLOW Server.
//
// Everything is the program under test, started as an operator starts it, each
// process with its own Caddyfile, state folder and log in one temporary folder,
// on free loopback ports. Nothing of the program's code runs in the test, so what
// a test sees is what an operator would. With [Config.Postgres] the database is a real
// PostgreSQL 15 instead (package dbprocess), for servers and agents alike. Only Linux can
// run it: processes are looked up in /proc.
//
// [Start] returns a [Cluster] when all servers are up. A test then breaks something with
// KillServer, StopServer, Signal or a fault of the server's instruments, while a [Load] of
// many browsers at a fixed rate goes on. The load keeps a book: each request, what it was answered, and for creates
// the title of the ticket. [Cluster.Tickets] asks the database afterwards how
// often each ticket exists, past all servers and the booster.
//
// When the test ends, all processes are stopped in the order of a real set-up;
// one that does not end in time, or one that is left over, fails the test. When
// the test failed, the ends of all logs are printed. When the test program itself
// is killed, the kernel ends the processes.
//
// Nothing here waits for a fixed time: [Wait] polls until a deadline.
package harness
