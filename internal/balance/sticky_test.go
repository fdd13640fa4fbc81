package balance

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func stickyKeys(t testing.TB, fill ...byte) *StickyKeys {
	t.Helper()
	var keys [][]byte
	for _, b := range fill {
		keys = append(keys, bytes.Repeat([]byte{b}, 32))
	}
	k, err := NewStickyKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestStickyCookie(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	want := Sticky{Server: IDOf("s1"), Session: 42, Issued: now.Add(-time.Hour), Seen: now}
	old, both, fresh := stickyKeys(t, 1), stickyKeys(t, 2, 1), stickyKeys(t, 2)
	value := old.Seal(want)
	if len(value) != StickyLength {
		t.Fatalf("the cookie has %d bytes, want %d", len(value), StickyLength)
	}
	for name, keys := range map[string]*StickyKeys{"same key": old, "after a rotation": both} {
		if got, ok := keys.Open(value); !ok || got != want {
			t.Errorf("%s: Open = %+v, %v; want %+v", name, got, ok, want)
		}
	}
	if _, ok := fresh.Open(value); ok {
		t.Error("a cookie of a foreign key was taken")
	}
	for i := range value {
		forged := value[:i] + string('A'+(value[i]-'A'+1)%26) + value[i+1:]
		if forged == value {
			continue
		}
		if got, ok := old.Open(forged); ok {
			t.Errorf("a cookie changed at byte %d was taken as %+v", i, got)
		}
		if _, ok := old.Open(value[:i]); ok {
			t.Errorf("a cookie cut to %d bytes was taken", i)
		}
	}
	for _, junk := range []string{"", "x", strings.Repeat("A", StickyLength), strings.Repeat("=", StickyLength), strings.Repeat("é", StickyLength/2), value + "A"} {
		if _, ok := old.Open(junk); ok {
			t.Errorf("%q was taken", junk)
		}
	}
}

func TestStickyLimits(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, test := range []struct {
		name         string
		issued, seen time.Duration // ago
		idle, max    time.Duration
		want         bool
	}{
		{"fresh", time.Minute, 0, 30 * time.Minute, 12 * time.Hour, true},
		{"idle too long", time.Hour, 31 * time.Minute, 30 * time.Minute, 12 * time.Hour, false},
		{"too old", 13 * time.Hour, 0, 30 * time.Minute, 12 * time.Hour, false},
		{"no limits", 1000 * time.Hour, 900 * time.Hour, 0, 0, true},
		{"the other booster's clock is ahead", 0, -time.Minute, 30 * time.Minute, 12 * time.Hour, true},
		{"from the future", 0, -time.Hour, 0, 0, false},
	} {
		s := Sticky{Issued: now.Add(-test.issued), Seen: now.Add(-test.seen)}
		if got := s.Valid(now, test.idle, test.max); got != test.want {
			t.Errorf("%s: Valid = %v", test.name, got)
		}
	}
}

func FuzzStickyOpen(f *testing.F) {
	keys := stickyKeys(f, 1)
	f.Add(keys.Seal(Sticky{Server: 1, Seen: time.Unix(1, 0)}))
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		if s, ok := keys.Open(value); ok && keys.Seal(s) != value {
			t.Errorf("%q was taken as %+v, which is written otherwise", value, s)
		}
	})
}

func TestStickyKeysRefuseWeakKeys(t *testing.T) {
	for _, keys := range [][][]byte{nil, {[]byte("short")}} {
		if _, err := NewStickyKeys(keys); err == nil {
			t.Errorf("NewStickyKeys(%q) gave no error", keys)
		}
	}
}
