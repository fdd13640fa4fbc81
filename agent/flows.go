package agent

import (
	"context"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// flowsInterval is how often the deployed flows are read without a cause, flowsAgain
	// how soon after that failed.
	flowsInterval = time.Minute
	flowsAgain    = 10 * time.Second
)

// designWords are what is looked for in a flow's design.
var designWords = []string{flows.WordSleep, flows.WordOutflow, flows.WordInflow}

// flowReader keeps a directory of the flows in one database. Its designs belong to one
// goroutine.
type flowReader struct {
	db *database.DB
	// designs are those of flows that were read, by row: a row's never changes.
	designs map[int64]flows.Design
}

// read reads what is deployed now.
func (r *flowReader) read(ctx context.Context) (*flows.Directory, error) {
	list, more, err := r.db.Flows(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.readDesigns(ctx, list); err != nil {
		return nil, err
	}
	sources := make([]flows.Source, len(list))
	for i, f := range list {
		sources[i] = flows.Source{
			UUID: f.UUID, Parent: f.Parent, App: f.App, Name: f.Name, APIPath: f.APIPath, Design: r.designs[f.ID],
		}
	}
	return flows.Build(sources, more), nil
}

// readDesigns reads the designs that are not known, and forgets those of flows that are
// gone.
func (r *flowReader) readDesigns(ctx context.Context, list []database.Flow) error {
	known := make(map[int64]flows.Design, len(list))
	var ids []int64
	for _, f := range list {
		if design, ok := r.designs[f.ID]; ok {
			known[f.ID] = design
		} else {
			ids = append(ids, f.ID)
		}
	}
	designs, err := r.db.Designs(ctx, ids, designWords, flows.MaxDesign)
	if err != nil {
		return err
	}
	for _, d := range designs {
		known[d.ID] = designOf(d)
	}
	r.designs = known
	return nil
}

// designOf is what matters of a design. One that can't be read counts by its words.
func designOf(d database.FlowDesign) flows.Design {
	byWords := flows.Design{Sleeps: d.Has[0], MayCall: d.Has[1] || d.Has[2]}
	if d.Text == "" {
		return byWords
	}
	design, err := flows.ReadDesign(d.Text)
	if err != nil {
		return byWords
	}
	return design
}

// readFlows keeps d.flows until ctx ends.
func (d *data) readFlows(ctx context.Context, db *database.DB) {
	r, failed := &flowReader{db: db}, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.deployed:
		case <-timer.C:
		}
		directory, err := r.read(ctx)
		switch {
		case err == nil:
			failed = false
			timer.Reset(flowsInterval)
			d.tellFlows(directory)
		case ctx.Err() == nil:
			// The watch tells of a database that is away; what was known stays.
			if !failed && database.Classify(err) != database.Unreachable && database.Classify(err) != database.NoTable {
				d.log.Warn("it is not known which flows pause: requests of theirs go to any server", "error", err)
			}
			failed = true
			timer.Reset(flowsAgain)
		}
	}
}

// tellFlows keeps what was read.
func (d *data) tellFlows(directory *flows.Directory) {
	former := d.flows.Swap(directory)
	if former.Version() == directory.Version() {
		return
	}
	count, pausing := directory.Len()
	d.log.Info("deployed flows were read", "flows", count, "pausing", pausing)
	if directory.More() && !former.More() {
		d.log.Warn("there are more flows than are looked at: requests of the others go to the lead server, since they may pause", "most", flows.MaxFlows)
	}
}

// lookForFlows has the flows read now: one may have been deployed.
func (d *data) lookForFlows() {
	if d == nil {
		return
	}
	select {
	case d.deployed <- struct{}{}:
	default: // that is about to happen
	}
}

// fillFlows writes into a question what the boosters are to know of the flows. A control
// change may have deployed one.
func (m *monitor) fillFlows(ask *rollout.Ask) {
	if epoch := m.to.Epoch(); epoch != m.part.deployed {
		m.part.deployed = epoch
		m.data.lookForFlows()
	}
	ask.Flows = m.data.flowsVersion()
}

// flowsVersion names what is known of the flows, "" for nothing.
func (d *data) flowsVersion() string {
	if d == nil {
		return ""
	}
	return d.flows.Load().Version()
}

// serveFlows gives a booster what is known of the flows.
func (r *runner) serveFlows(w http.ResponseWriter, _ *http.Request) {
	var directory *flows.Directory
	r.look(func(m *monitor) {
		if m.data != nil {
			directory = m.data.flows.Load()
		}
	})
	if directory == nil {
		http.Error(w, "this agent has not read the deployed flows", http.StatusNotFound)
		return
	}
	control.Answer(w, directory)
}
