package alike

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/trust"
)

func keys(t *testing.T, secrets ...string) trust.Keys {
	t.Helper()
	k, err := trust.Parse(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOf(t *testing.T) {
	k := keys(t, trust.Generate())
	well := settings.Settings{SecretKey: []byte("k3y"), TimeZone: "Asia/Taipei", AllowedHosts: []string{"*"}}
	f := Of(well, nil, k)
	if f.SecretKey != Label(k, well) || strings.Contains(f.SecretKey, "k3y") || f.TimeZone != "Asia/Taipei" {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(f.Wrong, "ENGINE is empty") {
		t.Errorf("no database is not told: %q", f.Wrong)
	}
	if f := Of(settings.Settings{}, nil, k); f.SecretKey != "" || !strings.Contains(f.Wrong, "SECRET_KEY is empty") {
		t.Errorf("no key: %+v", f)
	}
	f = Of(settings.Settings{}, errors.New("version \"3.6.1\" of Python is too old\n"+strings.Repeat("很\x1b", 400)), k)
	if !strings.HasPrefix(f.Wrong, "version '3.6.1' of Python is too old; ") || len(f.Wrong) > maxWrong || strings.ContainsRune(f.Wrong, 0x1b) {
		t.Errorf("%q", f.Wrong)
	}
}

// TestEncode: whatever was read, facts fit among the marks and come back.
func TestEncode(t *testing.T) {
	k := keys(t, trust.Generate())
	for _, text := range []string{"", "a", strings.Repeat("<", 1000), strings.Repeat("\\\"\n", 500), strings.Repeat("台", 300), strings.Repeat("\u2028", 300), "\xff"} {
		f := Of(settings.Settings{SecretKey: []byte(text), TimeZone: text}, errors.New(text), k)
		f.Clock = -1 << 40
		encoded, err := f.Encode()
		if err != nil {
			t.Errorf("%.20q: %v", text, err)
			continue
		}
		if got, err := Decode(encoded); err != nil || got != f {
			t.Errorf("%.20q: %+v came back as %+v, %v", text, f, got, err)
		}
	}
	if _, err := (Facts{Wrong: "a\x1b[31m"}).Encode(); err == nil {
		t.Error("a control character is told")
	}
}

func TestDecoded(t *testing.T) {
	got := Decoded(map[string]string{
		Key("s1"): `{"zone":"UTC","later":true}`, Key("s2"): `{"zone":"` + strings.Repeat("x", 65) + `"}`, Key("s3"): "{",
		Key("s4"): `{"wrong":"\u001b"}`, "server/s1": `{"zone":"UTC"}`, Key("s5"): `{"wrong":"` + strings.Repeat("x", 600) + `"}`,
		Key("gone"): `{"zone":"UTC"}`,
	}, func(server string) bool { return server != "gone" })
	if want := (map[string]Facts{"s1": {TimeZone: "UTC"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestOff(t *testing.T) {
	for _, tt := range []struct {
		ahead     time.Duration
		was, want int
	}{
		{0, 0, 0}, {5 * time.Second, 0, 0}, {-5 * time.Second, 0, 0}, {5 * time.Second, 6, 0}, {5600 * time.Millisecond, 0, 6}, {-time.Hour, 0, -3600},
		{7500 * time.Millisecond, 6, 6}, {8500 * time.Millisecond, 6, 9}, {-6 * time.Second, 6, -6},
	} {
		if got := Off(tt.ahead, tt.was); got != tt.want {
			t.Errorf("%s after %d: %d, want %d", tt.ahead, tt.was, got, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	for name, tt := range map[string]struct {
		all  map[string]Facts
		want []string // the beginnings of the problems
	}{
		"nobody": {nil, nil},
		"alike":  {map[string]Facts{"s1": {SecretKey: "1-a", TimeZone: "UTC"}, "s2": {SecretKey: "1-a", TimeZone: "UTC"}}, nil},
		"keys": {map[string]Facts{"s1": {SecretKey: "1-b"}, "s2": {SecretKey: "1-a"}, "s3": {SecretKey: "1-a"}},
			[]string{"SECRET_KEY is not the same on s2, s3 (label 1-a) and on s1 (label 1-b): write the same in settings.py on all servers"}},
		"keys under two cluster keys": {map[string]Facts{"s1": {SecretKey: "1-a"}, "s2": {SecretKey: "2-b"}}, nil},
		"one of them differs": {map[string]Facts{"s1": {SecretKey: "1-a"}, "s2": {SecretKey: "2-b"}, "s3": {SecretKey: "2-c"}},
			[]string{"SECRET_KEY is not the same on s2 (label 2-b) and on s3 (label 2-c)"}},
		"no key": {map[string]Facts{"s1": {SecretKey: "1-a"}, "s2": {}}, nil}, // that is wrong by itself
		"zones": {map[string]Facts{"s1": {TimeZone: "UTC"}, "s2": {TimeZone: "Asia/Taipei"}, "s3": {TimeZone: "Asia/Taipei"}, "s4": {}},
			[]string{"TIME_ZONE is Asia/Taipei on s2, s3, and UTC on s1: "}},
		"clock": {map[string]Facts{"s1": {Clock: -8}, "s2": {Clock: 9}},
			[]string{"s1: its clock is 8s behind the booster's", "s2: its clock is 9s ahead of the booster's"}},
		"wrong": {map[string]Facts{"s2": {Wrong: "SQLite"}, "s1": {Wrong: "Python"}}, []string{"s1: Python", "s2: SQLite"}},
	} {
		got := Compare(tt.all)
		if len(got) != len(tt.want) {
			t.Errorf("%s: %q, want %d", name, got, len(tt.want))
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i].Text, tt.want[i]) || len(got[i].Servers) == 0 {
				t.Errorf("%s: %q, want %q…", name, got[i], tt.want[i])
			}
		}
	}
}

// TestConcerned: who differs is told, and who could not be compared is not.
func TestConcerned(t *testing.T) {
	got := Compare(map[string]Facts{"s1": {SecretKey: "1-a"}, "s2": {SecretKey: "1-b"}, "s3": {SecretKey: "2-c"}, "s4": {Clock: 9}})
	if len(got) != 2 || !slices.Equal(got[0].Servers, []string{"s1", "s2"}) || !slices.Equal(got[1].Servers, []string{"s4"}) {
		t.Errorf("%+v", got)
	}
}

func TestSame(t *testing.T) {
	for _, tt := range []struct {
		a, b        string
		same, known bool
	}{{"1-a", "1-a", true, true}, {"1-a", "1-b", false, true}, {"1-a", "2-a", false, false}, {"", "1-a", false, false}, {"", "", true, false}} {
		if same, known := Same(tt.a, tt.b); known != tt.known || known && same != tt.same {
			t.Errorf("%q, %q: %t %t", tt.a, tt.b, same, known)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"key":"1a2b-0123456789abcdef","zone":"Asia/Taipei","clock":-8,"wrong":"x"}`)
	f.Add(`{"clock":1e99}`)
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := Decode(text)
		if err != nil {
			return
		}
		if facts.Validate() != nil {
			t.Fatalf("%+v gets through", facts)
		}
		for _, problem := range Compare(map[string]Facts{"s1": facts, "s2": {SecretKey: "1-a", TimeZone: "UTC"}}) {
			if strings.ContainsAny(problem.Text, "\n\x1b") || len(problem.Text) > 2*maxEncoded {
				t.Fatalf("%q", problem.Text)
			}
		}
	})
}
