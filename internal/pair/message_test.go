package pair

import (
	"bytes"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMessage(t *testing.T) {
	longest := strings.Repeat("n", 62)
	m := message{
		Version: wireVersion, Kind: kindAnswer, From: longest + "a", To: longest + "b", Run: math.MaxUint64, Seq: math.MaxUint64,
		EchoRun: math.MaxUint64, EchoSeq: math.MaxUint64, Role: Secondary, State: Standby, Term: maxTerm, Ask: maxTerm,
		Failover: MaxFailover.Milliseconds(), Vote: true, Want: true, Yield: true, Free: true, Verdict: promised, Wait: math.MaxInt64,
		List: list{Term: maxTerm, Serial: math.MaxUint64, Names: []string{longest + "1", longest + "2", longest + "3", longest + "4", longest + "5"}},
	}
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeMessage(b); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v comes back as %+v, %v", m, got, err)
	}
	for what, change := range map[string]func(*message){
		"no sender":       func(m *message) { m.From = "" },
		"bad receiver":    func(m *message) { m.To = "a b" },
		"to itself":       func(m *message) { m.To = m.From },
		"no run":          func(m *message) { m.Run = 0 },
		"no number":       func(m *message) { m.Seq = 0 },
		"huge term":       func(m *message) { m.Term++ },
		"huge question":   func(m *message) { m.Ask++ },
		"no kind":         func(m *message) { m.Kind = "" },
		"no verdict":      func(m *message) { m.Verdict = "perhaps" },
		"no role":         func(m *message) { m.Kind, m.Role = kindBeat, "" },
		"another state":   func(m *message) { m.State = "asleep" },
		"many witnesses":  func(m *message) { m.List.Names = []string{"1", "2", "3", "4", "5", "6"} },
		"one comes twice": func(m *message) { m.List.Names = []string{"1", "1"} },
		"bad witness":     func(m *message) { m.List.Names = []string{"/"} },
	} {
		bad := m
		change(&bad)
		b, err := bad.encode()
		if err != nil {
			continue // too long for a packet
		}
		if got, err := decodeMessage(b); err == nil || !reflect.DeepEqual(got, message{}) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	for what, b := range map[string][]byte{
		"another version": bytes.Replace(b, []byte(`"v":1`), []byte(`"v":2`), 1),
		"too long":        append(bytes.Clone(b), bytes.Repeat([]byte(" "), MaxMessage)...),
		"empty":           nil,
		"no JSON":         []byte("beat"),
	} {
		if _, err := decodeMessage(b); err == nil {
			t.Errorf("%s is read", what)
		}
	}
	for ms, want := range map[int64]time.Duration{0: MinFailover, -5: MinFailover, 250: 250 * time.Millisecond, math.MaxInt64: MaxFailover} {
		if got := (message{Failover: ms}).failover(); got != want {
			t.Errorf("failover of %d ms is taken for %v", ms, got)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add([]byte(`{"v":1,"k":"beat","f":"a","t":"b","r":1,"s":1,"o":"primary","st":"active","n":1,"fo":250,"l":{"s":1,"w":["w1"]}}`))
	f.Add([]byte(`{"v":1,"k":"ask","f":"a","t":"w1","r":1,"s":1,"o":"primary","st":"standby","n":1,"a":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMessage(b)
		if err != nil {
			if !reflect.DeepEqual(m, message{}) {
				t.Errorf("an error and a message: %+v, %v", m, err)
			}
			return
		}
		// Whatever it says, neither a booster nor a witness falls over it.
		m.To = "self"
		if m.From == "self" {
			return
		}
		s := newMachine(settings{name: "self", role: Primary, failover: DefaultFailover, gone: witnessGone, run: 1}, 0)
		s.setPeer(m.From)
		s.peer.link.run = m.Run
		s.receive(m, time.Millisecond)
		s.tick(time.Hour)
		w := newWitness("self", 1, 0)
		w.link(m.From).run = m.Run
		w.receive(m, time.Hour)
	})
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	if s, err := load(dir); err != nil || !reflect.DeepEqual(s, saved{}) {
		t.Errorf("of nothing: %+v, %v", s, err)
	}
	want := saved{Term: 3, Reserved: 5, Witnesses: list{Term: 3, Serial: 2, Names: []string{"w1", "w2"}}, Before: list{Serial: 1, Names: []string{"w1"}}}
	for range 2 {
		if err := store(dir, want); err != nil {
			t.Fatal(err)
		}
		if s, err := load(dir); err != nil || !reflect.DeepEqual(s, want) {
			t.Errorf("%+v comes back as %+v, %v", want, s, err)
		}
	}
	for _, text := range []string{"", "{", `{"term":18446744073709551615}`, `{"witnesses":{"w":["/"]}}`, `{"x":"` + strings.Repeat("x", maxStored) + `"}`} {
		if err := os.WriteFile(storePath(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := load(dir); err == nil || !reflect.DeepEqual(s, saved{}) {
			t.Errorf("%.40q is read as %+v", text, s)
		}
	}
	if err := store(dir+"/none", want); err == nil {
		t.Error("saved into a folder that is not there")
	}
}

func FuzzParseSaved(f *testing.F) {
	f.Add([]byte(`{"term":3,"reserved":5,"witnesses":{"n":3,"s":2,"w":["w1","w2"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseSaved(b); err != nil && !reflect.DeepEqual(s, saved{}) {
			t.Errorf("an error and a state: %+v, %v", s, err)
		}
	})
}
