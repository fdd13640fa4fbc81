// Package alike holds the settings of several OMFLOW Servers against each other: what
// has to be the same on all of them, so that users do not notice which one answers.
//
// Each agent makes [Facts] of its server's settings.py and tells them to all nodes as a
// short text ([Facts.Encode]) under [Key]. Every node can read those of all servers, and
// [Compare] says what differs, the same on each of them. What is compared, and what
// happens where it differs:
//
//   - SECRET_KEY signs sessions. With another key on another server users are signed out
//     whenever a request of theirs gets there (seen with OMFLOW 1.1.0.0).
//   - TIME_ZONE decides when a schedule fires and which times tickets show.
//   - The clock does the same; at more than [MaxClock] people see it.
//
// What is wrong with one server's settings.py alone, such as SQLite, an empty SECRET_KEY
// or a Python below 3.7.7, travels with its facts and is told with them.
//
// # Secrets
//
// The key never leaves its machine. Its facts hold a label, 8 bytes of an HMAC under a
// key that comes from the cluster key (package trust), so that only who has the cluster
// key can test guesses. A label begins with four digits that say which cluster key made
// it: while the cluster key is changed, nodes have different ones for a while, and two
// labels of different cluster keys are not compared.
//
// # Strangers' bytes
//
// [Decode] takes what another node wrote: it bounds each field and refuses control
// characters, since all of it is shown to people. Everything here is pure, and may be
// called from any goroutine.
package alike
