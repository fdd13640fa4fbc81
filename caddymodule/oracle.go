package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/oracleexporter"
)

const (
	// oracleTime bounds the question what an agent's exporter says, and oracleAge is how
	// long its answer is used again.
	oracleTime = 500 * time.Millisecond
	oracleAge  = time.Second
)

// OracleStatus is what one agent reads of Oracle's exporter. All servers share one
// database: it is there more than once only where several agents have the option
// oracle_exporter.
type OracleStatus struct {
	// Server is the agent's.
	Server string `json:"server"`
	oracleexporter.Reading
}

var errAgentSilent = errors.New("the agent does not answer")

// oracleReadings asks agents what they read of Oracle's exporter. It lives as long as
// the node, and may be used concurrently.
type oracleReadings struct {
	node *gossip.Node

	mu    sync.Mutex
	asked time.Time
	last  map[string]oracleReading
}

// oracleReading is an agent's newest answer.
type oracleReading struct {
	oracleexporter.Reading
	at time.Time
}

// all asks all agents that are reached, if that is not known from a moment ago. Of one
// that does not answer in time its last answer is repeated, as an old one. The result is
// sorted by server.
func (o *oracleReadings) all() []OracleStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.asked) >= oracleAge {
		o.ask()
	}
	all := []OracleStatus{}
	for server, r := range o.last {
		reading := r.Reading
		if by := time.Since(r.at); r.at.Before(o.asked) {
			reading = reading.Late(by, errAgentSilent)
		}
		all = append(all, OracleStatus{server, reading})
	}
	slices.SortFunc(all, func(a, b OracleStatus) int { return strings.Compare(a.Server, b.Server) })
	return all
}

// ask asks all agents at once. Agents that have no exporter any more, or are no members,
// are forgotten.
func (o *oracleReadings) ask() {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), oracleTime)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	last := make(map[string]oracleReading)
	for _, name := range others(o.node, gossip.KindAgent) {
		wg.Go(func() {
			reading, err := oracleexporter.Ask(ctx, o.node.Do, name)
			mu.Lock()
			defer mu.Unlock()
			was, known := o.last[name]
			switch {
			case err == nil:
				last[name] = oracleReading{reading, time.Now()}
			case known && !errors.Is(err, oracleexporter.ErrNone):
				last[name] = was
			}
		})
	}
	wg.Wait()
	o.last, o.asked = last, start
}

// oracleStatus is what agents read of Oracle's exporter; nil where none does, and on a
// node that is no booster. problems are what an operator must put right.
func oracleStatus() (all []OracleStatus, problems []string) {
	node := runningNode()
	if node == nil || node.oracle == nil {
		return nil, nil
	}
	all = node.oracle.all()
	told := make(map[string]bool)
	for _, o := range all {
		if !o.DatabaseUp() {
			continue
		}
		for _, t := range o.Page.Critical() {
			if told[t.Name] {
				continue // another agent reads the same
			}
			told[t.Name] = true
			problems = append(problems, fmt.Sprintf("Oracle's tablespace %s is %.0f %% full: let its files grow (ALTER DATABASE DATAFILE … AUTOEXTEND ON), or add one", t.Name, 100*t.Full()))
		}
	}
	return all, problems
}

// print writes the lines of the status.
func (o OracleStatus) print(page *strings.Builder) {
	fmt.Fprintf(page, "\nOracle, as %s reads it from %s: ", o.Server, plain(o.URL))
	if !o.ExporterUp {
		fmt.Fprintf(page, "the exporter can't be read: %s", plain(o.Reason))
		if o.Page != nil {
			fmt.Fprintf(page, "; the last good page was read %s ago and said that the database is %s", o.age(), upOrDown(o.Page.Up))
		}
		page.WriteString("\n")
		return
	}
	fmt.Fprintf(page, "the database is %s, as of %s ago\n", upOrDown(o.Page.Up), o.age())
	var sessions, waits, full []string
	for _, s := range o.Page.Sessions {
		sessions = append(sessions, fmt.Sprintf("%.0f %s", s.Count, strings.ToLower(plain(s.Status+" "+s.Type))))
	}
	longest := slices.Clone(o.Page.Waits)
	slices.SortStableFunc(longest, func(a, b oracleexporter.Wait) int { return cmp.Compare(b.Seconds, a.Seconds) })
	for _, w := range longest[:min(len(longest), oracleShown)] {
		waits = append(waits, fmt.Sprintf("%s %.0f s", plain(w.Class), w.Seconds))
	}
	for _, t := range o.Page.Tablespaces {
		if t.Max > 0 && len(full) < oracleShown {
			full = append(full, fmt.Sprintf("%s %.0f%% of %.1f GiB", plain(t.Name), 100*t.Full(), t.Max/(1<<30)))
		}
	}
	for _, line := range []struct {
		what  string
		words []string
	}{{"Sessions", sessions}, {"Waited since its start", waits}, {"Fullest tablespaces", full}} {
		if len(line.words) > 0 {
			fmt.Fprintf(page, "  %s: %s\n", line.what, strings.Join(line.words, ", "))
		}
	}
}

// oracleShown is how much of a list people are shown; --json has all.
const oracleShown = 5

// age is the last good page's.
func (o OracleStatus) age() time.Duration {
	if o.AgeSeconds == nil {
		return 0
	}
	return time.Duration(*o.AgeSeconds * float64(time.Second)).Round(time.Second)
}

func upOrDown(up bool) string {
	if up {
		return "up"
	}
	return "DOWN"
}
