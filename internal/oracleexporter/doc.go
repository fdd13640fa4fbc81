// Package oracleexporter is all that is known of Oracle's own Prometheus exporter, the
// program oracledb_exporter of github.com/oracle/oracle-db-appdev-monitoring that runs
// beside an Oracle database: how its metrics page is read, and how its configuration
// file is written.
//
// # Reading its page
//
// A [Reader] fetches the page every 15 s and keeps the newest good one: whether the
// database is up, its sessions, what was waited for, how full its tablespaces are. The
// text is taken apart by Prometheus' own parser ([Parse]). Metric names are those of the
// exporter's default-metrics.toml, 1.6 to 2.4; what other versions add or leave out is
// no mistake. Values of several instances of a cluster are added up.
//
// An exporter may serve several databases. Which label tells them apart is up to its
// configuration, so oracledb_up, which it writes once for each, decides: with one of
// them the whole page is about it, with several one must be named.
//
// A Reader answers HTTP requests with its [Reading] as JSON, which is how a booster asks
// an agent's ([Ask]). Ages are told, not times: clocks differ.
//
// # What fails, and what then happens
//
// A page that can't be had or understood changes nothing of the last good one: the
// Reading says since when that is, and in words why there is no newer one. The next
// attempt comes at its time. Only the change from good to bad, and back, is logged.
//
// # The page is not trusted
//
// Whatever listens at the URL may answer anything. An attempt ends after 10 s, however
// little by little the answer comes; 8 MB are read, redirects are not followed, and no
// compressed answer is asked for. Lines of other metrics are dropped before they are
// parsed, so a page of millions of them costs no memory. Of what is left, numbers that
// are negative or none are dropped, texts are cut, and lists bounded. What an agent
// answers is bounded and checked once more.
//
// # Writing its configuration
//
// [File] renders the exporter's YAML, for 2.0.4 and newer, which reads it strictly: a key that
// it does not know ends it. The exporter replaces ${NAME} by the environment variable
// before it looks at the text as YAML. So the password, which stands in the environment
// alone, is a block scalar there: any characters but line breaks are safe in it. For
// the same reason each $ in other values is doubled.
package oracleexporter
