package caddymodule

import (
	"errors"
	"testing"
)

func TestInForce(t *testing.T) {
	var now string
	f := inForce[string]{put: func(s string) error {
		if s == "bad" {
			now = "half of bad"
			return errors.New("bad settings")
		}
		now = s
		return nil
	}}
	use := func(s string) *want[string] {
		t.Helper()
		w, err := f.use(s)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	drop := func(w *want[string]) {
		t.Helper()
		if err := f.drop(w); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what, s string) {
		t.Helper()
		if now != s {
			t.Errorf("%s: %q is in force, not %q", what, now, s)
		}
	}
	first := use("first")
	second := use("second")
	is("in the middle of a reload", "second")
	drop(first)
	is("after a reload", "second")
	third := use("third")
	drop(third)
	is("after a reload that was taken back", "second")
	if w, err := f.use("bad"); err == nil || w != nil {
		t.Errorf("bad settings: %v, %v", w, err)
	}
	is("after a reload that was refused", "second")
	drop(third)
	is("after a second drop", "second")
	drop(second)
	is("at the end, for what is still on its way", "second")
}
