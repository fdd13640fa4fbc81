package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEpochCovers(t *testing.T) {
	for _, c := range []struct {
		e, o Epoch
		want bool
	}{
		{"", "", true},
		{"a=1", "", true},
		{"", "a=1", false},
		{"a=1", "a=1", true},
		{"a=2", "a=1", true},
		{"a=1", "a=2", false},
		{"a=10", "a=9", true},
		{"a=1 b=1", "a=1", true},
		{"a=1", "a=1 b=1", false},
		{"a=2 b=1", "a=1 b=2", false},
		{"a=1 b=2 c=3", "c=3 a=1", true},
		{"a=18446744073709551615", "a=18446744073709551614", true},
	} {
		if got := c.e.Covers(c.o); got != c.want {
			t.Errorf("%q covers %q: %t", c.e, c.o, got)
		}
	}
}

func TestEpochOf(t *testing.T) {
	for _, c := range []struct {
		marks map[string]string
		want  Epoch
	}{
		{nil, ""},
		{map[string]string{"lead": "7", "control": "1", "control/": "1"}, ""},
		{map[string]string{"control/b": "2", "control/a": "10", "lead": "7"}, "a=10 b=2"},
		{map[string]string{"control/a": "x", "control/b": "-1", "control/c": "", "control/d": "18446744073709551616"}, ""},
		{map[string]string{"control/a=b": "1", "control/a b": "1", "control/a\tb": "1", "control/a\u00a0b": "1"}, ""},
		{map[string]string{"control/a": "007"}, "a=7"},
		{map[string]string{"control/" + strings.Repeat("n", maxName+1): "1"}, ""},
	} {
		if got := EpochOf(c.marks); got != c.want {
			t.Errorf("%v: %q, want %q", c.marks, got, c.want)
		}
	}
}

// The numbers of boosters that are no more would fill it.
func TestEpochOfManyBoosters(t *testing.T) {
	marks := make(map[string]string)
	for i := range 100 {
		marks[fmt.Sprintf("%sbooster-%02d", EpochKey, i)] = fmt.Sprint(1764150000000 + i)
	}
	e := EpochOf(marks)
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	if !e.Covers("booster-99=1764150000099") || !e.Covers("booster-98=1764150000098") || e.Covers("booster-00=1764150000000") {
		t.Errorf("%s does not have the newest changes", e)
	}
	marks[EpochKey+"booster-00"] = "1764160000000"
	if next := EpochOf(marks); e.Covers(next) || !next.Covers("booster-00=1764160000000") {
		t.Errorf("%s covers the next one, %s", e, next)
	}
}

func TestNextChange(t *testing.T) {
	now := time.UnixMilli(1000)
	for last, want := range map[string]string{"": "1000", "5": "1000", "999": "1000", "1000": "1001", "5000": "5001", "x": "1000"} {
		if got := NextChange(last, now); got != want {
			t.Errorf("after %q: %s, want %s", last, got, want)
		}
	}
	if got := NextChange("", time.UnixMilli(-5)); got != "1" {
		t.Errorf("before 1970: %s", got)
	}
}

func TestEpochValidate(t *testing.T) {
	for e, ok := range map[Epoch]bool{
		"": true, "a=1": true, "a=1 b=2": true,
		"a": false, "a=": false, "=1": false, "a=x": false, "a=1=2": false,
		Epoch("a=1" + strings.Repeat(" ", maxEpoch)): false,
	} {
		if err := e.Validate(); (err == nil) != ok {
			t.Errorf("%.20q: %v", e, err)
		}
	}
}

func FuzzEpoch(f *testing.F) {
	f.Add("a", "1", "b", "2")
	f.Add("a b", "1", "=", "18446744073709551615")
	f.Fuzz(func(t *testing.T, name1, n1, name2, n2 string) {
		e := EpochOf(map[string]string{EpochKey + name1: n1, EpochKey + name2: n2})
		if err := e.Validate(); err != nil {
			t.Fatalf("%q: %s", e, err)
		}
		if !e.Covers(e) || !e.Covers("") {
			t.Fatalf("%q does not cover itself", e)
		}
		one := EpochOf(map[string]string{EpochKey + name1: n1})
		if name1 != name2 && !e.Covers(one) {
			t.Fatalf("%q does not cover %q", e, one)
		}
		raw := Epoch(name1 + "=" + n1 + " " + name2 + n2)
		if raw.Validate() == nil && !raw.Covers(raw) {
			t.Fatalf("%q does not cover itself", raw)
		}
	})
}
