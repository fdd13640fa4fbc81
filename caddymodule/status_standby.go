package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
)

// The active booster alone knows of the lead server and of what restarts wait for. A standby
// asks it, over the cluster's control API, when somebody looks at its status.

const (
	leadStatusPath = "/lead/v1/status"
	// leadStatusTime bounds the question, and leadStatusAge is how long its answer is used
	// again, however many look.
	leadStatusTime = 500 * time.Millisecond
	leadStatusAge  = time.Second
	// maxLeadStatus bounds the answer, in bytes: what thousands of agents may tell people.
	maxLeadStatus = 8 << 20
)

// activesWord is what the active booster has said last of the lead server.
type activesWord struct {
	mu    sync.Mutex
	lead  *LeadStatus // nil: nothing
	asked time.Time
}

// leadOfActive returns what the active booster says, with its name, or nil.
func (c *conductor) leadOfActive() *LeadStatus {
	w := &c.word
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.asked) < leadStatusAge {
		return w.lead
	}
	ctx, cancel := context.WithTimeout(context.Background(), leadStatusTime)
	defer cancel()
	w.lead = nil
	for _, name := range c.others(gossip.KindBooster) {
		var l LeadStatus
		if err := control.Do(c.node.Do).Call(ctx, name, leadStatusPath, nil, &l, maxLeadStatus); err == nil {
			l.From = name
			w.lead = &l
			break
		}
	}
	w.asked = time.Now()
	return w.lead
}

// serveLeadStatus tells another booster what the active one knows.
func (c *conductor) serveLeadStatus(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.fromBooster(w, r, "boosters tell each other of the lead server"); !ok {
		return
	}
	lead := c.lead()
	if lead == nil {
		http.Error(w, "this booster is not the active one", http.StatusConflict)
		return
	}
	control.Answer(w, lead)
}

// printLeadUnknown says whom to ask of the lead server.
func (s Status) printLeadUnknown(page *strings.Builder) {
	for _, m := range s.Members {
		if m.Name == s.Pair.Peer {
			fmt.Fprintf(page, "\nLead: not known here: the active booster knows, and %s at %s, which is %s, does not say\n", m.Name, m.Address, m.State)
			return
		}
	}
	page.WriteString("\nLead: not known here: the active booster knows, and no other is there\n")
}
