package flows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Flow is a deployed main flow.
type Flow struct {
	// UUID is 32 hexadecimal digits in lower case, as in the name of the table of the
	// flow's tickets.
	UUID string `json:"uuid"`
	// App and Name are the application's and the flow's names.
	App  string `json:"app"`
	Name string `json:"name"`
	// APIPath is what requests of the REST API may name it by; it may be empty.
	APIPath string `json:"api_path,omitempty"`
	// PauseOnOpen is true when a ticket that is opened may come to a pause before it
	// comes to a form, PauseOnPush when one that is pushed may. The second holds
	// wherever the first does.
	PauseOnOpen bool `json:"pause_on_open,omitempty"`
	PauseOnPush bool `json:"pause_on_push,omitempty"`
	// Calls is true when a ticket may wait for one of another flow that it has opened:
	// whichever server ends that one goes on with this one, without a request for it.
	Calls bool `json:"calls,omitempty"`
}

// Directory is the flows that are deployed. The nil Directory knows none.
type Directory struct {
	flows   []Flow // the oldest first
	more    bool
	version string
	pausing int

	byUUID, byPath map[string]*Flow
	byName         map[Call]*Flow
}

// Version names the content: two Directories with the same Version are the same. It has
// 16 characters; that of a nil Directory is "".
func (d *Directory) Version() string {
	if d == nil {
		return ""
	}
	return d.version
}

// Len returns how many flows there are, and how many of them may pause.
func (d *Directory) Len() (flows, pausing int) {
	if d == nil {
		return 0, 0
	}
	return len(d.flows), d.pausing
}

// More reports whether flows are deployed that are not in the Directory, since there
// are too many.
func (d *Directory) More() bool { return d != nil && d.more }

// MayPause reports whether a ticket of any flow at all may come to a pause.
func (d *Directory) MayPause() bool { return d != nil && (d.pausing > 0 || d.more) }

// ByUUID finds a flow by its UUID as requests write it, without dashes. OMFLOW knows
// one in lower case only.
func (d *Directory) ByUUID(uuid string) (Flow, bool) {
	if d == nil {
		return Flow{}, false
	}
	return found(d.byUUID[uuid])
}

// ByAPIPath finds a flow by its API path, as it is, decoded.
func (d *Directory) ByAPIPath(path string) (Flow, bool) {
	if d == nil {
		return Flow{}, false
	}
	return found(d.byPath[path])
}

// ByName finds a flow by the names of its application and its own.
func (d *Directory) ByName(app, flow string) (Flow, bool) {
	if d == nil {
		return Flow{}, false
	}
	return found(d.byName[Call{App: app, Flow: flow}])
}

func found(f *Flow) (Flow, bool) {
	if f == nil {
		return Flow{}, false
	}
	return *f, true
}

// index makes the rest of d from its flows. Of two that share a path or names the later
// counts, as in OMFLOW's own memory.
func (d *Directory) index() {
	d.byUUID, d.byPath, d.byName = make(map[string]*Flow), make(map[string]*Flow), make(map[Call]*Flow)
	sum := sha256.New()
	fmt.Fprintf(sum, "%t\n", d.more)
	for i := range d.flows {
		f := &d.flows[i]
		fmt.Fprintf(sum, "%q %q %q %q %t %t %t\n", f.UUID, f.App, f.Name, f.APIPath, f.PauseOnOpen, f.PauseOnPush, f.Calls)
		if f.PauseOnPush {
			d.pausing++
		}
		d.byUUID[f.UUID] = f
		if f.APIPath != "" {
			d.byPath[f.APIPath] = f
		}
		d.byName[Call{App: f.App, Flow: f.Name}] = f
	}
	d.version = hex.EncodeToString(sum.Sum(nil)[:versionBytes])
}

// versionBytes is how much of the content's hash its Version tells: enough to tell the
// states of one installation apart.
const versionBytes = 8

// Bounds of what Decode takes: OMFLOW's columns hold 200 characters of a name and 500
// of a path.
const (
	maxName = 4 * 200 // bytes
	maxPath = 4 * 500 // bytes
	// MaxMessage is the longest message that Decode takes, in bytes. A flow takes about
	// 200; this is for MaxFlows of them with names as long as they can be.
	MaxMessage = 16 << 20
)

// Path is where an agent's control API gives out its Directory.
const Path = "/flows/v1"

// message is a Directory on its way.
type message struct {
	Flows []Flow `json:"flows"`
	More  bool   `json:"more,omitempty"`
}

// MarshalJSON makes what Decode reads.
func (d *Directory) MarshalJSON() ([]byte, error) {
	return json.Marshal(message{Flows: d.flows, More: d.more})
}

// Decode reads a Directory that another node has marshalled.
func Decode(text []byte) (*Directory, error) {
	if len(text) > MaxMessage {
		return nil, fmt.Errorf("read a directory of flows: %d bytes are too many", len(text))
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("read a directory of flows: %w", err)
	}
	if len(m.Flows) > MaxFlows {
		return nil, fmt.Errorf("read a directory of flows: %d are too many", len(m.Flows))
	}
	seen := make(map[string]bool, len(m.Flows))
	for _, f := range m.Flows {
		if err := f.validate(); err != nil {
			return nil, fmt.Errorf("read a directory of flows: %w", err)
		}
		if seen[f.UUID] {
			return nil, fmt.Errorf("read a directory of flows: %s is there twice", f.UUID)
		}
		seen[f.UUID] = true
	}
	d := &Directory{flows: m.Flows, more: m.More}
	d.index()
	return d, nil
}

func (f Flow) validate() error {
	switch {
	case canonical(f.UUID) != f.UUID || f.UUID == "":
		return fmt.Errorf("%.40q is no UUID of a flow", f.UUID)
	case len(f.App) > maxName || len(f.Name) > maxName || len(f.APIPath) > maxPath:
		return errors.New("a name is too long")
	case f.PauseOnOpen && !f.PauseOnPush:
		return errors.New("a flow pauses when a ticket is opened and not when it is pushed")
	}
	return nil
}
