package cookie

import (
	"strings"
	"testing"
)

func TestValue(t *testing.T) {
	for _, tt := range []struct {
		line, value string
		found       bool
	}{
		{"", "", false},
		{"s=1", "1", true},
		{"a=1; s=2; b=3", "2", true},
		{"a=1;s=2", "2", true},
		{"a=1;  s = 2 ;b=3", "2", true},
		{"s=1; s=2", "1", true},
		{"s=", "", true},
		{"s", "", false},
		{"ss=1", "", false},
		{"xs=1", "", false},
		{"S=1", "", false},
		{`s="a b"`, "a b", true},
		{`s="`, `"`, true},
		{"s=a=b==", "a=b==", true},
		{";;;s=1", "1", true},
		{"a=s=1", "", false},
		{`a="x; s=1"`, `1"`, true}, // a quote does not protect a semicolon (RFC 6265 §5.2)
		{"\ts=1\t", "1", true},
		{"é=1; s=2", "2", true},
	} {
		value, found := Value(tt.line, "s")
		if value != tt.value || found != tt.found {
			t.Errorf("Value(%q) = %q, %v, want %q, %v", tt.line, value, found, tt.value, tt.found)
		}
	}
	if _, found := Value("=1", ""); found {
		t.Error("a cookie without a name was found")
	}
}

func TestRemove(t *testing.T) {
	for _, tt := range []struct {
		line, rest string
		removed    bool
	}{
		{"", "", false},
		{"a=1; b=2", "a=1; b=2", false},
		{"s=1", "", true},
		{"s=1; a=1", "a=1", true},
		{"a=1; s=1", "a=1", true},
		{"a=1; s=1; b=2", "a=1; b=2", true},
		{"a=1;s=1;b=2", "a=1;b=2", true},
		{"s=1; s=2; a=1; s=3", "a=1", true},
		{"s=1; s=2", "", true},
		{"a=1; s=1;", "a=1;", true},
		{"a =\"x\"; s =1;garbage;;b", "a =\"x\";garbage;;b", true},
		{"s; ss=1; S=2", "s; ss=1; S=2", false},
		{"s=1;", "", true},
	} {
		rest, removed := Remove(tt.line, "s")
		if rest != tt.rest || removed != tt.removed {
			t.Errorf("Remove(%q) = %q, %v, want %q, %v", tt.line, rest, removed, tt.rest, tt.removed)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	const line = "csrftoken=abcdefgh; sessionid=0123456789; s=signed.value.here"
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := Value(line, "s"); !ok {
			t.Error("not found")
		}
		if _, ok := Remove(line, "s"); !ok {
			t.Error("not removed")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// others returns the cookies of a line that are not called name, as written.
func others(line, name string) []string {
	var out []string
	for pair := range strings.SplitSeq(line, ";") {
		k, _, ok := strings.Cut(pair, "=")
		if p := strings.Trim(pair, " \t"); p != "" && (!ok || strings.Trim(k, " \t") != name) {
			out = append(out, p)
		}
	}
	return out
}

func FuzzRemove(f *testing.F) {
	for _, line := range []string{"s=1", "a=1; s=2; b=3", "s=1;s=1;;s", " s =1;\ta=\"s=1;\"", ";;;", "s=1; \x00"} {
		f.Add(line, "s")
	}
	f.Fuzz(func(t *testing.T, line, name string) {
		if name == "" || strings.ContainsAny(name, ";= \t") {
			t.Skip("not a cookie's name")
		}
		before, had := Value(line, name)
		rest, removed := Remove(line, name)
		if had != removed {
			t.Fatalf("%q: found %v (%q), removed %v", line, had, before, removed)
		}
		if !removed && rest != line {
			t.Fatalf("nothing removed, yet %q became %q", line, rest)
		}
		if v, ok := Value(rest, name); ok {
			t.Fatalf("%q still has the cookie: %q in %q", line, v, rest)
		}
		want, got := others(line, name), others(rest, name)
		if strings.Join(want, ";") != strings.Join(got, ";") {
			t.Fatalf("Remove(%q, %q) = %q: others were %q, are %q", line, name, rest, want, got)
		}
	})
}

func TestRemoveIsLinear(t *testing.T) {
	// One copy of the line for each of these cookies would be 100 GB.
	line := "a=1;" + strings.Repeat("s=1;", 250_000) + "b=2"
	if rest, _ := Remove(line, "s"); rest != "a=1;b=2" {
		t.Errorf("%d bytes are left", len(rest))
	}
}

func BenchmarkValue(b *testing.B) {
	const line = "csrftoken=abcdefghabcdefghabcdefghabcdefgh; sessionid=0123456789012345; s=signed.value.here"
	b.ReportAllocs()
	for b.Loop() {
		Value(line, "s")
	}
}
