package doctor

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// verdict is what a check is expected to say.
type verdict struct {
	state State
	// text is a part of the detail and, when it has failed, of the advice after it.
	text []string
}

func good(text ...string) verdict    { return verdict{OK, text} }
func ill(text ...string) verdict     { return verdict{Failed, text} }
func unknown(text ...string) verdict { return verdict{Skipped, text} }

// hold compares a result with what is expected of it.
func (v verdict) hold(t *testing.T, name string, r Result) {
	t.Helper()
	if r.State != v.state {
		t.Errorf("%s is %s, not %s: %s", name, r.State, v.state, r.Detail)
	}
	for _, part := range v.text {
		if !strings.Contains(r.Detail+" → "+r.Advice, part) {
			t.Errorf("%s says %q → %q, without %q", name, r.Detail, r.Advice, part)
		}
	}
	if (r.State == Failed) != (r.Advice != "") || r.Detail == "" {
		t.Errorf("%s is %s, says %q and advises %q", name, r.State, r.Detail, r.Advice)
	}
}

// result runs the check of that name.
func result(t *testing.T, checks []Check, name string) Result {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c.Run(t.Context())
		}
	}
	t.Fatalf("there is no check %q", name)
	return Result{}
}
