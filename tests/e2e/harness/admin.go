//go:build linux

package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Status is the part of the booster's status that tests look at.
type Status struct {
	Node string `json:"node"`
	Pair struct {
		State string `json:"state"`
		Term  uint64 `json:"term"`
	} `json:"pair"`
	Lead *struct {
		State string `json:"state"`
		Doing string `json:"doing"`
	} `json:"lead"`
	Servers []struct {
		Name     string `json:"name"`
		Address  string `json:"address"`
		State    string `json:"state"`
		Reason   string `json:"reason"`
		Agent    string `json:"agent"`
		InFlight int    `json:"in_flight"`
		Capacity int    `json:"capacity"`
		Weight   int    `json:"weight"`
		Sessions int    `json:"sessions"`
		Release  uint64 `json:"release"`
	} `json:"servers"`
	Queue   map[string]int `json:"queue"`
	Members []struct {
		Name  string `json:"name"`
		Kind  string `json:"kind"`
		State string `json:"state"`
	} `json:"members"`
	Pauses struct {
		Flows   int    `json:"flows"`
		Pausing int    `json:"pausing"`
		Off     string `json:"off"`
	} `json:"pauses"`
	Releases struct {
		Head uint64 `json:"head"`
	} `json:"releases"`
	Problems []string `json:"problems"`
}

// State returns a server's state and agent, as in "up alive", or "" for one that
// is not there.
func (s Status) State(name string) string {
	for _, server := range s.Servers {
		if server.Name == name {
			return server.State + " " + server.Agent
		}
	}
	return ""
}

// MemberStates returns the members' states by name.
func (s Status) MemberStates() map[string]string {
	states := map[string]string{}
	for _, m := range s.Members {
		states[m.Name] = m.State
	}
	return states
}

// asking is for the admin API and instruments, which answer at once or never; at once is
// what a busy machine takes for it.
var asking = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Status asks the node's admin API.
func (n *Node) Status() (Status, error) {
	var s Status
	return s, getJSON("http://"+n.Admin+"/omflow/status", &s)
}

func getJSON(url string, v any) error {
	resp, err := asking.Get(url)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: HTTP %d: %s", url, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", url, err)
	}
	return nil
}
