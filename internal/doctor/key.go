package doctor

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/trust"
)

// Key checks the cluster key.
type Key struct {
	// Written is how many keys the configuration has, those included that turned out to
	// be empty.
	Written int
	// Secrets are the keys, placeholders filled in and empty ones left out.
	Secrets []string
	// Addresses are those under which the node is listened to, reached and joined.
	Addresses []string
}

const keygen = "make one with `booster omflow keygen` and write the same `key <secret>` on all nodes"

// shown are the keys in this project's own files: who copies one has a key that
// everybody has.
var shown = []string{
	"fPA2oTkbs7oNLMrxVvSYBYZRSKJCQTpWFx3uI8mZHZk",
	"6kqTnS2Yk0pG0ZbPq7qTqyr5nIeQe4CxMV6B7S0dD1k",
}

// leastDistinct is how many different bytes a random key of 32 has at least: with fewer
// than 20 there is one in about 10^11.
const leastDistinct = 20

// Checks returns the check.
func (k Key) Checks() []Check {
	return []Check{{Name: "cluster key", Run: func(context.Context) Result { return k.check() }}}
}

func (k Key) check() Result {
	if len(k.Secrets) == 0 {
		switch {
		case k.Written > 0:
			return failed("key is written and empty").advise("write the key into the file, or set the variable, that its placeholder names; the service's user must be able to read the file, and have the variable")
		case trust.AllLoopback(k.Addresses...):
			return ok("none, and none is needed: only loopback addresses are used")
		}
		return failed("there is none, and %s can be reached from other machines", strings.Join(k.Addresses, ", ")).advise(keygen)
	}
	if _, err := trust.Parse(k.Secrets); err != nil {
		return failed("%v", err).advise(keygen)
	}
	for _, secret := range k.Secrets {
		secret = strings.TrimRight(strings.TrimSpace(secret), "=")
		if slices.Contains(shown, secret) {
			return failed("it is an example's, which everybody knows").advise(keygen)
		}
		if !random(secret) {
			return failed("it was made by a person and can be guessed").advise(keygen)
		}
	}
	if n := len(k.Secrets); n > 1 {
		return ok("the first of %d is used, all are accepted", n)
	}
	return ok("it is well")
}

// random reports whether a key looks as if a random generator had made it: no text, and
// not a few bytes again and again.
func random(secret string) bool {
	b, err := base64.RawStdEncoding.DecodeString(secret)
	if err != nil {
		return false
	}
	text := !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
	slices.Sort(b)
	return !text && len(slices.Compact(b)) >= leastDistinct
}
