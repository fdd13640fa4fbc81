package flows

import (
	"encoding/json"
	"fmt"
)

// MaxDesign bounds, in characters, the text of a design that is read. A shipped flow's
// has about 30 kB; scripts are part of it.
const MaxDesign = 4 << 20

// maxCalls bounds the calls of one design.
const maxCalls = 1000

// Types of steps in a design (differentiateNextType in omengine.py, OMFLOW 1.1.0.0).
const (
	// WordSleep is a pause.
	WordSleep = "sleep"
	// WordOutflow opens a ticket of a flow of another application, WordInflow of one of
	// the same.
	WordOutflow = "outflow"
	WordInflow  = "inflow"
)

// Design is what matters of a flow's design.
type Design struct {
	// Sleeps is true when a step is a pause.
	Sleeps bool
	// Calls are the flows of which a step opens a ticket.
	Calls []Call
	// MayCall is true when a step may do so, of a design that could not be read.
	MayCall bool
}

// Call names a flow as a step does.
type Call struct {
	// App is the application's name, or "" for the calling flow's own.
	App string
	// Flow is the flow's name.
	Flow string
}

// ReadDesign reads a flow's design, the column flowobject of OMFLOW's table of flows:
// its steps and lines are the items of one JSON object. Whatever is not understood in a
// step's configuration is passed over, as OMFLOW finds out only when it gets there.
func ReadDesign(text string) (Design, error) {
	if len(text) > 4*MaxDesign { // bytes
		return Design{}, fmt.Errorf("read a flow's design: %d bytes are too many", len(text))
	}
	var object struct {
		Items []struct {
			Type   string          `json:"type"`
			Config json.RawMessage `json:"config"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return Design{}, fmt.Errorf("read a flow's design: %w", err)
	}
	var d Design
	known := make(map[Call]bool)
	for _, item := range object.Items {
		switch item.Type {
		case WordSleep:
			d.Sleeps = true
		case WordOutflow, WordInflow:
			call, ok := readCall(item.Config, item.Type == WordOutflow)
			if ok && !known[call] && len(d.Calls) < maxCalls {
				known[call] = true
				d.Calls = append(d.Calls, call)
			}
		}
	}
	return d, nil
}

// readCall reads whom a step calls, from its configuration. A step that names no flow
// calls none.
func readCall(config json.RawMessage, outside bool) (Call, bool) {
	var c struct {
		App  string `json:"app_name"`
		Flow string `json:"flow_name"`
	}
	if err := json.Unmarshal(config, &c); err != nil || c.Flow == "" || outside && c.App == "" {
		return Call{}, false
	}
	if !outside {
		c.App = ""
	}
	return Call(c), true
}
