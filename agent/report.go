package agent

import (
	"context"
	"log/slog"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/supervise"
)

// report tells the boosters if something is new. The node repeats it by itself.
func (m *monitor) report() {
	if m.cur == nil {
		return
	}
	r := m.cur.report
	switch {
	case !m.runs():
		r.State, r.Reason = assess(nil, m.checks)
	case len(m.before) > 0:
		r.State, r.Reason = gossip.ServerStarting, "it waits until the server before it has let go of the port"
	default:
		r.State, r.Reason = assess(&m.process, m.checks)
		r.PID, r.Restarts = m.process.PID, m.process.Restarts
		if m.process.State == supervise.Stopped && m.part != nil {
			r.State, r.Reason = m.whyNot()
		}
	}
	if m.part != nil {
		r.Managed = m.runs()
		r.Lead = m.part.as == rollout.Lead
		r.Control = string(m.seen())
	}
	if m.patch != nil {
		r.Release = m.patch.State().Applied.Number
	}
	r.Database = m.data.state()
	r.Live, r.Ready = m.checks.Live == health.Up, m.checks.Ready == health.Up
	m.tell(r)
}

func (m *monitor) tell(r gossip.Report) {
	if r == m.told {
		return
	}
	// What a server that does not run waits for is news in the same state, too.
	waits := r.State == gossip.ServerStarting && r.PID == 0 && r.Reason != m.told.Reason
	if r.State != m.told.State || waits {
		level, attrs := slog.LevelInfo, []slog.Attr{}
		planned := m.process.State == supervise.Stopping // one that hangs is told of where it is replaced
		if (r.State == gossip.ServerDown || r.State == gossip.ServerFailed) && !planned {
			level = slog.LevelWarn
		}
		if r.Reason != "" {
			attrs = append(attrs, slog.String("reason", r.Reason))
		}
		m.log.LogAttrs(context.Background(), level, "server is "+string(r.State), attrs...)
	}
	if err := m.to.SetReport(r); err != nil {
		m.log.Error("report to the boosters", "error", err)
	}
	m.told = r
}
