package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/bootstrap"
)

// isSlave reports whether the agent's options are the cluster's: those of another
// server's agent, but for what is written here. An agent for a server of its own names
// the server's whole address.
func (a *Agent) isSlave() bool {
	return a.Health == nil && (a.Server == "" || strings.HasPrefix(a.Server, ":"))
}

// provisionSlave fills in what is known before the cluster is asked.
func (a *Agent) provisionSlave() error {
	if a.Home == "" {
		return nil
	}
	home, err := filepath.Abs(a.Home)
	if err != nil {
		return fmt.Errorf("agent: home %q: %w", a.Home, err)
	}
	a.Home = home
	return nil
}

// validateSlave refuses what cannot work whatever the cluster says.
func (a *Agent) validateSlave() error {
	if a.Server != "" {
		if n, err := strconv.ParseUint(a.Server[1:], 10, 16); err != nil || n == 0 {
			return fmt.Errorf("agent: server %q: write a port, as in `server :8000`, or where the boosters reach the server, as in `server 10.0.0.21:8000`", a.Server)
		}
	}
	if info, err := os.Stat(a.Home); err == nil && !info.IsDir() {
		return fmt.Errorf("agent: home %s is a file: write a folder", a.Home)
	}
	leadEnv := a.LeadEnv
	if leadEnv == nil {
		leadEnv = []string{defaultLeadEnv}
	}
	if err := errors.Join(checkEnv(leadEnv), checkRun(a.Run, leadEnv), checkDatabase(a.Database), a.OracleExporter.check(a.Database)); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if slices.Contains(a.Run, "") {
		return errors.New("agent: run holds an empty word: write the command and its arguments")
	}
	if a.StopGrace < 0 {
		return fmt.Errorf("agent: stop_grace %s is negative: write a duration such as 40s", time.Duration(a.StopGrace))
	}
	if a.Capacity < 0 || a.Capacity > maxCapacity {
		return fmt.Errorf("agent: capacity %d: write a number from 1 to %d", a.Capacity, maxCapacity)
	}
	if a.Weight < 0 || a.Weight > maxWeight {
		return fmt.Errorf("agent: weight %d: write a number from 1 to %d", a.Weight, maxWeight)
	}
	return nil
}

// whole makes the agent that a slave's is, of another server's options: what is written
// here comes first. reached is where other nodes reach this one. The weight is each
// server's own, and so is Oracle's exporter, which one agent need read.
func (a *Agent) whole(name, reached string, from bootstrap.Place, options json.RawMessage) (*Agent, bootstrap.Place, error) {
	w := new(Agent)
	to := bootstrap.Place{Name: name, Home: cmp.Or(a.Home, from.Home)}
	if err := json.Unmarshal(options, w); err != nil {
		return nil, to, fmt.Errorf("read the options: %w", err)
	}
	host, _, err := net.SplitHostPort(reached)
	if err != nil {
		return nil, to, fmt.Errorf("find this node's address: %w", err)
	}
	_, port, err := net.SplitHostPort(cmp.Or(a.Server, from.Server))
	if err != nil {
		return nil, to, fmt.Errorf("find the server's port: %w", err)
	}
	to.Server = net.JoinHostPort(host, port)
	move := bootstrap.Move{From: from, To: to}

	w.log = a.log
	w.Home, w.Server = to.Home, to.Server
	w.Run = move.Command(w.Run)
	if len(a.Run) > 0 {
		w.Run = a.Run
	}
	w.Python = cmp.Or(a.Python, move.Path(w.Python))
	if a.LeadEnv != nil {
		w.LeadEnv = a.LeadEnv
	}
	w.Database = cmp.Or(a.Database, w.Database)
	w.OracleExporter = a.OracleExporter
	w.Replicate = cmp.Or(a.Replicate, move.Path(w.Replicate))
	w.StopGrace = cmp.Or(a.StopGrace, w.StopGrace)
	w.Capacity = cmp.Or(a.Capacity, w.Capacity)
	w.Weight = a.Weight
	switch {
	case a.Patch != nil:
		p := *a.Patch
		w.Patch = &p
	case w.Patch != nil:
		w.Patch.Folder = move.Path(w.Patch.Folder)
		w.Patch.OnChangeRun = move.Command(w.Patch.OnChangeRun)
	}
	if err := w.fill(); err != nil {
		return nil, to, err
	}
	switch {
	case len(w.Run) == 0:
		return nil, to, fmt.Errorf("the agent of server %s does not run it: write `run` there, or here", from.Name)
	case w.Patch == nil || !w.Patch.isHome(w.Home):
		return nil, to, fmt.Errorf("server %s has its code in no release, so that nobody can fetch it: write `patch` there", from.Name)
	}
	return w, to, w.check()
}

// origin answers agents of new servers; nil when none could take over from this one: its
// code must be in releases, and its command known.
func (a *Agent) origin(name string) http.Handler {
	if a.Home == "" || len(a.Run) == 0 || a.Patch == nil || !a.Patch.isHome(a.Home) {
		return nil
	}
	options, err := a.handed()
	if err != nil {
		a.log.Error("new servers can't take over from this one: write down the options", "error", err)
		return nil
	}
	s := bootstrap.Source{
		Place: bootstrap.Place{Name: name, Home: a.Home, Server: a.Server}, Options: options,
		Python: a.Python, Run: a.Run, Logger: a.log,
	}
	return bootstrap.Handler(s.Origin, gossip.Sender, a.log)
}

// handed are the options that new servers take over, as JSON: without those that are each
// server's own, of which the exporter's URL may hold a password.
func (a *Agent) handed() (json.RawMessage, error) {
	shared := *a
	shared.OracleExporter, shared.Weight = nil, 0
	return json.Marshal(shared)
}

// absent says what a new server has to wait for before it is started: it must never run
// on less than one whole release. It is "" for one that has its files, and for all others.
func (m *monitor) absent() string {
	if m.cur == nil || !m.cur.slave || m.part.as != "" {
		return ""
	}
	if m.patch == nil { // later settings were refused halfway
		return "it waits for its patch folder, which is not open"
	}
	s := m.patch.State()
	switch {
	case !s.Applied.IsZero():
		return ""
	case m.part.tenant.Heard() && m.part.tenant.Want(time.Now()).Head == 0:
		return "it waits for the cluster's first release, which the lead server makes of its folder"
	case s.Trouble != "":
		return bound("it waits for its files: " + s.Trouble)
	default:
		return "it waits for its files, which are fetched from the other servers"
	}
}

// serveOrigin answers agents of new servers.
func (r *runner) serveOrigin(w http.ResponseWriter, req *http.Request) {
	var h http.Handler
	r.look(func(m *monitor) {
		if m.cur != nil && m.absent() == "" {
			h = m.cur.origin
		}
	})
	if h == nil {
		http.Error(w, "a new server can't take over from this one: its agent does not run it, or has no patch folder, or its own files are on their way", http.StatusNotFound)
		return
	}
	h.ServeHTTP(w, req)
}
