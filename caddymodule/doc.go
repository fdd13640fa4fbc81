// Package caddymodule is all that Caddy sees of the booster: the omflow app, the
// omflow_booster handler, the admin API, the commands and the metrics.
//
// # What lives how long
//
// Caddy makes all modules anew at each reload. What must outlive that is kept in
// usage pools: the cluster node with its port and membership, and each pool of
// servers with its table, queue, connections and counters. A module finds them by
// key, changes what differs, and drops its reference when it is stopped; what
// nobody refers to any more is closed.
//
// Nothing that other processes could notice happens before Start, so that `validate`
// and `adapt` open no port and join no cluster.
//
// # Which servers a handler has
//
// All omflow_booster handlers with OMFLOW's profile share one pool: the servers that
// agents report and those of their `server` lines, which must be the same in all of
// them, so that no server ever sees more than its capacity from two of them. A
// handler with `profile none` has a pool of its own `server` lines.
package caddymodule
