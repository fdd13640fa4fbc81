package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode/utf8"
)

// marks are the verdicts for people.
var marks = map[State]string{OK: "✓", Failed: "✗", Skipped: "–"}

// Print writes a line for each outcome as it comes, under it what to do about one that
// failed, and at the end how many there were of each. It reports whether none has failed.
func Print(out io.Writer, checks []Check, outcomes iter.Seq[Outcome]) (well bool, err error) {
	width := 0
	for _, c := range checks {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	count := make(map[State]int)
	for o := range outcomes {
		count[o.State]++
		if _, err := fmt.Fprintf(out, "%s %-*s  %s\n", marks[o.State], width, o.Name, o.Detail); err != nil {
			return false, err
		}
		if o.State != Failed || o.Advice == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "  %-*s  → %s\n", width, "", o.Advice); err != nil {
			return false, err
		}
	}
	_, err = fmt.Fprintf(out, "\n%d ok, %d failed, %d not checked\n", count[OK], count[Failed], count[Skipped])
	return count[Failed] == 0, err
}

// Node is the node that the checks are about.
type Node struct {
	Name string `json:"node"`
	// Kind is booster or agent.
	Kind    string `json:"kind"`
	Version string `json:"version"`
}

// report is what WriteJSON writes. Fields are added, never renamed.
type report struct {
	Node
	OK     bool         `json:"ok"`
	Checks []jsonResult `json:"checks"`
}

type jsonResult struct {
	Name   string  `json:"name"`
	State  State   `json:"state"`
	Detail string  `json:"detail"`
	Advice string  `json:"advice,omitempty"`
	MS     float64 `json:"ms"`
}

// WriteJSON writes the outcomes as one JSON object and a new line, for programs. It
// reports whether none has failed.
func WriteJSON(out io.Writer, node Node, outcomes iter.Seq[Outcome]) (well bool, err error) {
	r := report{Node: node, OK: true, Checks: []jsonResult{}}
	for o := range outcomes {
		r.OK = r.OK && o.State != Failed
		r.Checks = append(r.Checks, jsonResult{
			Name: o.Name, State: o.State, Detail: o.Detail, Advice: o.Advice, MS: float64(o.Took.Microseconds()) / float64(time.Millisecond/time.Microsecond),
		})
	}
	return r.OK, json.NewEncoder(out).Encode(r)
}
