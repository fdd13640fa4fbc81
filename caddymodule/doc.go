// Package caddymodule is all that Caddy sees of the booster: the omflow app, the
// omflow_booster handler, the admin API, the commands and the metrics.
//
// # What lives how long
//
// Caddy makes all modules anew at each reload. What must outlive that is kept in
// usage pools: the cluster node with its port and membership, and each pool of
// servers with its table, queue, connections and counters. A handler has a reference
// to its pool from Provision to Cleanup, the app one to the node from Start to Stop;
// what nobody refers to any more is closed. Requests that are still running then, and
// those that wait, end as they would have.
//
// Nothing that other processes could notice happens before Start, so that `validate`
// and `adapt` open no port, join no cluster and ask no server for its health. Caddy
// starts its apps in random order: requests that come before the omflow app has
// started wait in the queue.
//
// Settings are put in force at Start and taken back at Stop (inForce). When another
// app fails to start, Caddy stops what it has started, and the settings before are in
// force again: a reload that fails changes nothing. Where a configuration goes on without
// a cluster that the one before it, or one that failed, had, its servers are free of what
// that has ordered. What lives as long as the node logs to the configuration in force.
//
// A reload can't change a node's name, listen or advertise address or state folder,
// nor make an agent of a booster: it is refused, and the process must be restarted.
//
// # How a configuration ends
//
// net/http drops what it reads once its server shuts down, and closes idle connections
// whether or not a request is on its way. So clients must be gone before Caddy stops its
// HTTP app: stopHook is called, by Caddy's event "stopping", when the next configuration
// serves and nothing of this one was stopped. It moves the listening addresses (package
// handover), which the next one had prepared in its Provision; has each answer say that
// the connection ends; and waits, within bounds, until each connection has had such an
// answer, or is going to with a request that is in flight. How many that are is counted by
// connection, since one of HTTP/2 carries many requests. At the end of the process the
// other booster of a pair takes over before that.
//
// What can't be done, because the system has no means for it or a client says nothing, is
// logged, and the reload or stop goes on.
//
// # Which servers a handler has
//
// All omflow_booster handlers with OMFLOW's profile share one pool: the servers that
// agents report and those of their `server` lines, which must be the same in all of
// them, so that no server ever sees more than its capacity from two of them. A
// handler with `profile none` has a pool of its own `server` lines; one with other
// addresses after a reload is another pool, which begins with new counters, while
// what waits in the old one is still served.
//
// # Releases
//
// A booster keeps the sequence of releases in releases/ of its state folder, as long as
// the node lives. Contents of files are on the agents only: what a diff needs is fetched
// from one of them, 32 MiB of 500 files at most, and compared with its hash. How the
// agents' files stand is asked for when the status is, at most once a second; an agent
// that does not answer within half a second is left out. Texts of other nodes are shown
// without anything that a terminal obeys. What an operator wants of a release goes to
// the active booster, whichever is asked.
//
// # The admin API
//
// Caddy makes the admin endpoint of a new configuration first, and keeps it even when
// that configuration fails. So the API looks up the app that is in force each time it
// is asked. Who may ask is Caddy's to decide: it checks Host and Origin, and the
// endpoint has no password.
package caddymodule
