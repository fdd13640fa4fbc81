package trust

import (
	"regexp"
	"strings"
	"testing"
)

func TestLabel(t *testing.T) {
	parse := func(secrets ...string) Keys {
		t.Helper()
		keys, err := Parse(secrets)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	first, second := Generate(), Generate()
	label := parse(first).Label("use", []byte("secret"))
	if !regexp.MustCompile(`^[0-9a-f]{4}-[0-9a-f]{16}$`).MatchString(label) {
		t.Errorf("label %q", label)
	}
	// On all nodes the same, whatever older keys they accept besides.
	if got := parse(first, second).Label("use", []byte("secret")); got != label {
		t.Errorf("with an older key: %s, want %s", got, label)
	}
	id, rest, _ := strings.Cut(label, "-")
	for name, other := range map[string]string{
		"another secret": parse(first).Label("use", []byte("secreT")),
		"another use":    parse(first).Label("us", []byte("esecret")),
		"no secret":      parse(first).Label("use", nil),
	} {
		if gotID, got, _ := strings.Cut(other, "-"); gotID != id || got == rest {
			t.Errorf("%s: %s beside %s", name, other, label)
		}
	}
	if gotID, got, _ := strings.Cut(parse(second, first).Label("use", []byte("secret")), "-"); gotID == id || got == rest {
		t.Errorf("under another cluster key: %s-%s beside %s", gotID, got, label)
	}
	// Pinned: nodes of different versions compare theirs.
	if got, want := Loopback().Label("use", []byte("secret")), "0d3f-559c73de95b4cba4"; got != want {
		t.Errorf("label %s, want %s", got, want)
	}
	if got := (Keys{}).Label("use", nil); got != "" {
		t.Errorf("a label without keys: %s", got)
	}
}
