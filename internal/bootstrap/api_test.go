package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// TestFind: who may ask, whom it asks, and what it says of each that can't answer.
func TestFind(t *testing.T) {
	o := good()
	n := network{"s2": answers(o)}
	if _, err := n.as("s4").Find(t.Context()); err == nil || !strings.Contains(err.Error(), "answers for another server") {
		t.Errorf("s2 answers as s1: %v", err)
	}
	n = network{"s1": answers(o), "s2": answers(o)}
	got, err := n.as("s4").Find(t.Context())
	if err != nil || !reflect.DeepEqual(got, o) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := (network{}).as("s4").Find(t.Context()); !errors.Is(err, ErrAlone) {
		t.Errorf("alone: %v", err)
	}
	for _, who := range []string{"booster", ""} {
		if _, err := n.as(who).Origin(t.Context(), "s1"); err == nil || !strings.Contains(err.Error(), "HTTP 403") {
			t.Errorf("%q asks: %v", who, err)
		}
	}
	// One that breaks off, one that can't, and one that can.
	whole, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	refuses := Handler(func(context.Context) (Origin, error) { return Origin{}, errors.New("no settings.py") }, peerOf, discard)
	n = network{"s1": says(string(whole[:len(whole)-10])), "s2": refuses}
	if _, err := n.as("s4").Find(t.Context()); err == nil || !strings.Contains(err.Error(), "agent s1") || !strings.Contains(err.Error(), "no settings.py") {
		t.Errorf("nobody can: %v", err)
	}
	third := good()
	third.Name = "s3"
	n["s3"] = answers(third)
	if got, err := n.as("s4").Find(t.Context()); err != nil || got.Name != "s3" {
		t.Errorf("the third can: %+v, %v", got, err)
	}
}

// TestBounds: what a peer must not say is not taken, and an agent says none of it.
func TestBounds(t *testing.T) {
	for name, spoil := range map[string]func(*Origin){
		"no name":          func(o *Origin) { o.Name = "" },
		"no system":        func(o *Origin) { o.System = "" },
		"relative home":    func(o *Origin) { o.Home = "opt/omflow" },
		"home with ..":     func(o *Origin) { o.Home += "/../.." },
		"the root":         func(o *Origin) { o.Home = "/" },
		"a control byte":   func(o *Origin) { o.Home += "\n" },
		"no port":          func(o *Origin) { o.Server = "10.0.0.21" },
		"port 0":           func(o *Origin) { o.Server = "10.0.0.21:0" },
		"every address":    func(o *Origin) { o.Server = ":8000" },
		"no options":       func(o *Origin) { o.Options = nil },
		"many options":     func(o *Origin) { o.Options = json.RawMessage(`"` + strings.Repeat("x", maxOptions) + `"`) },
		"no settings":      func(o *Origin) { o.Settings = nil },
		"large settings":   func(o *Origin) { o.Settings = make([]byte, MaxSettings+1) },
		"no key":           func(o *Origin) { o.Fingerprint = "" },
		"no database":      func(o *Origin) { o.Database.Name = "" },
		"no version":       func(o *Origin) { o.Python = "3; rm" },
		"an option as pip": func(o *Origin) { o.Modules[0].Package = "--index-url=http://x" },
		"a command":        func(o *Origin) { o.Modules[0].Version = "1; reboot" },
		"no module":        func(o *Origin) { o.Modules[1].Name = "a.b" },
		"many modules": func(o *Origin) {
			for i := range MaxModules {
				o.Modules = append(o.Modules, Module{Name: fmt.Sprint("m", i)})
			}
		},
	} {
		o := good()
		spoil(&o)
		text, err := json.Marshal(o)
		if err != nil {
			continue // it can't be said
		}
		if _, err := (network{"s1": says(string(text))}).as("s4").Find(t.Context()); err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := (network{"s1": answers(o)}).as("s4").Find(t.Context()); err == nil || !strings.Contains(err.Error(), "HTTP 503") {
			t.Errorf("%s: said: %v", name, err)
		}
	}
	if _, err := (network{"s1": says(`{"name":"` + strings.Repeat(" ", MaxOrigin))}).as("s4").Find(t.Context()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an endless answer: %v", err)
	}
}

// TestNoSecrets: however an Origin is printed or logged, and whatever is wrong with one
// that came, its secrets do not show.
func TestNoSecrets(t *testing.T) {
	o := good()
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s", o, o, o, o)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "origin", o)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{text[:len(text)-20], bytes.Replace(text, []byte(`"settings":`), []byte(`"settings":["k3y-0123456789"],"x":`), 1)} {
		_, err := (network{"s1": says(string(bad))}).as("s4").Find(t.Context())
		fmt.Fprint(&out, err)
	}
	bytewise := strings.Trim(fmt.Sprintf("%#v", []byte("k3y-0123456789")), "[]byte{}")
	for _, secret := range []string{"k3y-0123456789", "p4ss-word", bytewise, fmt.Sprint([]byte("p4ss"))[1:15]} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s shows in %s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "server s1") {
		t.Errorf("nothing shows: %s", out.String())
	}
}

// FuzzOrigin: whatever a peer sends, what is taken is valid, and can be said again.
func FuzzOrigin(f *testing.F) {
	text, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"name":"s1","home":"/"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := decodeOrigin(bytes.NewReader(text))
		if err != nil {
			return
		}
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeOrigin(bytes.NewReader(again)); err != nil {
			t.Errorf("%s: %v", again, err)
		}
		m := Move{Place{o.Name, o.Home, o.Server}, Place{"s4", "/srv/om", "10.0.0.24:8001"}}
		m.Settings(o.Settings, "/usr/bin/python3")
	})
}
