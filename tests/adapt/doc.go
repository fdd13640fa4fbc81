// Package adapt holds Caddyfiles against what they must become.
//
// testdata/good has a Caddyfile, a line of dashes and the JSON that it must adapt
// to, as Caddy's own integration tests do. testdata/mistakes has cases of
// a Caddyfile, a line of dashes and the exact error, with file and line, separated
// by a line of equal signs: what a mistake is answered with is part of what users
// see. `go test ./tests/adapt -update` writes JSON and errors anew, to be read
// before they are committed. testdata/profiles has the profile files that cases name.
// Another test holds Caddyfile.example against the adapter.
package adapt
