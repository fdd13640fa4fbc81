// Package demo runs a whole small cluster in one process tree on this machine: a
// booster, agents, and stand-ins for OMFLOW Server that the agents supervise and
// that share an embedded database.
//
// All are real processes of this very program, with real configuration files in one
// folder, so that what is tried here (killing a server, draining one, stopping an
// agent) is what happens in production. Everything listens on loopback addresses.
//
// When the context ends, the agents are stopped first, which stop their servers,
// then the booster, then the database; the folder is removed if it was made here.
// When the demo itself is killed, the kernel stops its children on Linux; elsewhere
// they stay. An error of a child that ends early names the file with its log.
package demo
