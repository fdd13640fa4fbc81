// Package dbprocess runs real database servers that belong to a test: PostgreSQL 15
// and MariaDB as Debian installs them, each with a folder, a port and data of its own.
// What is installed is not used as a service, and nothing outside the folder is
// touched.
//
// [Postgres] and [MariaDB] fill the folder, which takes a second or two, and return a
// [Server] that is down; [Server.Start] brings it up and returns when it answers, and
// [Server.Stop] takes it down with a signal of the caller's choice, so that a restart of
// the database is the real thing. Data survives that, but not a crash of the machine:
// the servers write nothing through to the disk. [Server.Remove] ends it for good.
//
// # Rights
//
// No database server runs as root. Where the caller is root the server runs as the
// account that its package has made, [PostgresUser] or [MariaDBUser], to which the
// folder is given; else as the caller. It listens on 127.0.0.1 alone, where whoever is
// on this machine reaches it: see [Config.Trust].
//
// # Failure
//
// [ErrMissing] means that the server is not installed; [Need] then skips the test, or
// fails it where the environment has [RequiredEnv]. A server that does not answer within
// a minute, or ends at once, is an error that has the end of its log. When the process that
// started it dies, Linux ends it; elsewhere it goes on.
package dbprocess
