package flows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// uuid is the UUID of a flow that tests call by a letter.
func uuid(name string) string { return strings.Repeat(fmt.Sprintf("%x", name[0]), 16) }

// source is a flow of the application "app", whose path is its name in lower case.
func source(name string, design Design) Source {
	return Source{UUID: uuid(name), App: "app", Name: name, APIPath: strings.ToLower(name), Design: design}
}

func calls(names ...string) Design {
	var d Design
	for _, name := range names {
		app, flow, outside := strings.Cut(name, "/")
		if !outside {
			app, flow = "", name
		}
		d.Calls = append(d.Calls, Call{App: app, Flow: flow})
	}
	return d
}

func TestWhoMayPause(t *testing.T) {
	sleeps := Design{Sleeps: true}
	sub := func(name, parent string, d Design) Source {
		s := source(name, d)
		s.Parent, s.APIPath = uuid(parent), ""
		return s
	}
	other := func(name string, d Design) Source {
		s := source(name, d)
		s.App = "other"
		return s
	}
	for _, tt := range []struct {
		name       string
		flows      []Source
		open, push string // the flows of which tickets may pause
	}{
		{"a pause of its own", []Source{source("A", sleeps), source("B", Design{})}, "A", "A"},
		{"in a subflow", []Source{source("A", Design{}), sub("S", "A", sleeps), source("B", Design{})}, "A", "A"},
		{"in one that is called", []Source{source("A", calls("B")), source("B", sleeps)}, "AB", "AB"},
		{"in one that is called by one that is called", []Source{source("A", calls("B")), source("B", calls("other/C")), other("C", sleeps)}, "ABC", "ABC"},
		{"in one of that name of another application", []Source{source("A", calls("C")), other("C", sleeps)}, "C", "C"},
		{"called by a subflow", []Source{source("A", Design{}), sub("S", "A", calls("B")), source("B", sleeps)}, "AB", "AB"},
		// B's tickets of A's go on with A when they have ended.
		{"in the caller", []Source{source("A", Design{Sleeps: true, Calls: calls("B").Calls}), source("B", Design{})}, "A", "AB"},
		{"in the caller's caller", []Source{source("A", Design{Sleeps: true, Calls: calls("B").Calls}), source("B", calls("C")), source("C", Design{})}, "A", "ABC"},
		{"in what the caller calls", []Source{source("A", calls("B", "C")), source("B", Design{}), source("C", sleeps)}, "AC", "ABC"},
		{"in a circle", []Source{source("A", calls("B")), source("B", calls("A")), source("C", Design{})}, "", ""},
		{"in a circle with a pause", []Source{source("A", calls("B")), source("B", Design{Sleeps: true, Calls: calls("A").Calls})}, "AB", "AB"},
		{"in one that is not there", []Source{source("A", calls("Z"))}, "", ""},
		{"a subflow of one that is not there", []Source{sub("S", "Z", sleeps), source("A", Design{})}, "", ""},
		{"an older version", []Source{source("A", sleeps), source("A", Design{})}, "", ""},
		{"a newer version", []Source{source("A", Design{}), source("A", sleeps)}, "A", "A"},
		{"one without a UUID", []Source{{App: "app", Name: "X", Design: sleeps}, source("A", Design{})}, "", ""},
	} {
		d := Build(tt.flows, false)
		var open, push string
		for _, f := range d.flows {
			if f.PauseOnOpen {
				open += f.Name
			}
			if f.PauseOnPush {
				push += f.Name
			}
		}
		if open != tt.open || push != tt.push {
			t.Errorf("%s: opening one of %q and pushing one of %q may pause, want %q and %q", tt.name, open, push, tt.open, tt.push)
		}
		if n, pausing := d.Len(); n != len(d.flows) || pausing != len(tt.push) || d.MayPause() != (tt.push != "") {
			t.Errorf("%s: %d flows, %d pause, %v", tt.name, n, pausing, d.MayPause())
		}
	}
}

func TestFlowsAreFound(t *testing.T) {
	d := Build([]Source{
		{UUID: "DC33FB34-0034-418C-8FBB-3BAF15525E86", App: "任務處理", Name: "任務單", APIPath: "mission", Design: Design{Sleeps: true}},
		source("A", Design{}),
		{UUID: uuid("B"), App: "app", Name: "A", APIPath: "a"}, // deployed later
		{UUID: uuid("C"), App: "app", Name: "C"},
		{UUID: uuid("D"), Parent: uuid("C"), App: "app", Name: "D"},
	}, false)
	const mission = "dc33fb340034418c8fbb3baf15525e86"
	for name, f := range map[string]func() (Flow, bool){
		"its path":  func() (Flow, bool) { return d.ByAPIPath("mission") },
		"its UUID":  func() (Flow, bool) { return d.ByUUID(mission) },
		"its names": func() (Flow, bool) { return d.ByName("任務處理", "任務單") },
	} {
		if got, ok := f(); !ok || got.UUID != mission || !got.PauseOnOpen || !got.PauseOnPush {
			t.Errorf("by %s: %+v, %v", name, got, ok)
		}
	}
	if f, ok := d.ByAPIPath("a"); !ok || f.UUID != uuid("B") {
		t.Errorf("of two with a path: %+v", f)
	}
	if f, ok := d.ByName("app", "A"); !ok || f.UUID != uuid("B") {
		t.Errorf("of two with a name: %+v", f)
	}
	for name, f := range map[string]func() (Flow, bool){
		"no path":           func() (Flow, bool) { return d.ByAPIPath("") },
		"another path":      func() (Flow, bool) { return d.ByAPIPath("Mission") },
		"a subflow":         func() (Flow, bool) { return d.ByUUID(uuid("D")) },
		"another's name":    func() (Flow, bool) { return d.ByName("app", "任務單") },
		"a UUID of nobody":  func() (Flow, bool) { return d.ByUUID(uuid("F")) },
		"nothing by path":   func() (Flow, bool) { return (*Directory)(nil).ByAPIPath("mission") },
		"nothing by UUID":   func() (Flow, bool) { return (*Directory)(nil).ByUUID(mission) },
		"nothing by a name": func() (Flow, bool) { return (*Directory)(nil).ByName("app", "A") },
	} {
		if got, ok := f(); ok {
			t.Errorf("by %s: %+v", name, got)
		}
	}
	none := (*Directory)(nil)
	if n, pausing := none.Len(); n+pausing != 0 || none.MayPause() || none.More() || none.Version() != "" {
		t.Error("an unknown directory knows something")
	}
}

func TestTooManyFlows(t *testing.T) {
	var sources []Source
	for i := range MaxFlows + 3 {
		sources = append(sources, Source{UUID: fmt.Sprintf("%032x", i+1), App: "app", Name: fmt.Sprint(i)})
	}
	d := Build(sources, false)
	if n, _ := d.Len(); n != MaxFlows || !d.More() || !d.MayPause() {
		t.Errorf("%d flows, more %v", n, d.More())
	}
	if _, ok := d.ByName("app", "0"); ok {
		t.Error("the oldest is kept")
	}
	if d := Build(sources[:MaxFlows], false); d.More() || d.MayPause() {
		t.Error("as many as may be are too many")
	}
	if d := Build([]Source{{UUID: uuid("A"), Name: strings.Repeat("x", maxName+1)}}, false); !d.More() {
		t.Error("a flow with an endless name is forgotten")
	}
}

func TestDirectoryTravels(t *testing.T) {
	sources := []Source{source("A", Design{Sleeps: true}), source("B", Design{}), {UUID: uuid("C"), App: "app", Name: "A<&>\u2028"}}
	d := Build(sources, true)
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.flows, d.flows) || got.more != d.more || got.Version() != d.Version() || got.pausing != d.pausing {
		t.Errorf("came as %+v, was %+v", got, d)
	}
	versions := map[string]bool{d.Version(): true}
	sources[1].Design.Sleeps = true
	for _, other := range []*Directory{Build(sources, true), Build(sources, false), Build(sources[:2], true), Build(nil, false)} {
		if v := other.Version(); versions[v] || len(v) != 16 {
			t.Errorf("version %q", v)
		}
		versions[other.Version()] = true
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	many := strings.Repeat(`{"uuid":""},`, MaxFlows)
	for name, text := range map[string]string{
		"nothing":              ``,
		"no object":            `[]`,
		"no UUID":              `{"flows":[{"app":"a","name":"b"}]}`,
		"a UUID with dashes":   `{"flows":[{"uuid":"dc33fb34-0034-418c-8fbb-3baf15525e86"}]}`,
		"a UUID in upper case": `{"flows":[{"uuid":"` + strings.ToUpper(uuid("J")) + `"}]}`,
		"one twice":            `{"flows":[{"uuid":"` + uuid("A") + `"},{"uuid":"` + uuid("A") + `"}]}`,
		"a long name":          `{"flows":[{"uuid":"` + uuid("A") + `","name":"` + long + `"}]}`,
		"a long path":          `{"flows":[{"uuid":"` + uuid("A") + `","api_path":"` + long + long + long + `"}]}`,
		"an odd pause":         `{"flows":[{"uuid":"` + uuid("A") + `","pause_on_open":true}]}`,
		"too many":             `{"flows":[` + many + `{"uuid":""}]}`,
		"too long":             strings.Repeat(" ", MaxMessage) + `{}`,
	} {
		if d, err := Decode([]byte(text)); err == nil {
			t.Errorf("%s: taken as %+v", name, d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	text, err := json.Marshal(Build([]Source{source("A", Design{Sleeps: true}), source("B", Design{})}, false))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"flows":[{"uuid":"` + uuid("A") + `","pause_on_open":true}],"more":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Decode(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if d2, err := Decode(again); err != nil || d2.Version() != d.Version() {
			t.Errorf("%q was taken, and what it makes is not: %v", text, err)
		}
	})
}
