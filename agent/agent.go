package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/supervise"
	"github.com/omflow/booster/internal/trust"
)

const (
	defaultCapacity = 8
	defaultWeight   = 100
	maxCapacity     = 100_000
	maxWeight       = balance.MaxWeight
	defaultPython   = "python3"
	defaultLeadEnv  = "RUN_MAIN=true"

	// startup is how long a new process may take until its live check counts.
	// OMFLOW takes 1 to 2 s, and much longer on a busy machine or with pending
	// migrations.
	startup = 60 * time.Second
	// maxSlow bounds how often that is doubled for a server that is slower: to 16 minutes.
	maxSlow = 4
	// hungGrace is between TERM and KILL for a process that hangs.
	hungGrace = 3 * time.Second
)

func init() {
	caddy.RegisterModule(Agent{})
}

// Agent runs beside an OMFLOW Server, or any other HTTP server. It starts the
// server and keeps it running, checks its health, and reports to the boosters,
// which then send it requests.
type Agent struct {
	// The folder of the OMFLOW Server: the working directory of `run`. It also
	// says that this is an OMFLOW Server, whose health is checked in OMFLOW's
	// way. Without it the agent is one for any HTTP server, and `health` must
	// say what to ask for.
	//
	// With no `server`, or its port alone, this is a new server of the cluster: its
	// files, its settings.py and all options that are not written here come from the
	// other servers, and `home` is a folder that is empty or not there yet. Default:
	// none; for a new server that of the others.
	Home string `json:"home,omitempty"`

	// The host and port where the boosters send requests. They must be able to
	// reach it, and the agent checks the server there too. Of a new server the port
	// alone, as in `:8000`: its host is where other nodes reach this one, and the
	// default is the port of the other servers. Otherwise required.
	Server string `json:"server,omitempty"`

	// The command that runs the server, and its arguments. No shell is
	// involved. The server must stay in the foreground. Default: none, the
	// server is managed by something else and only checked.
	Run []string `json:"run,omitempty"`

	// What is added to the environment of the lead server's process only, each as
	// NAME=value. OMFLOW runs schedules, and takes over what the flow queue's journal
	// holds, when it is started with RUN_MAIN=true; the active booster sees to it that
	// never two servers are. Default: RUN_MAIN=true.
	LeadEnv []string `json:"lead_env,omitempty"`

	// The Python that runs the OMFLOW Server; it reads settings.py here. Default:
	// python3.
	Python string `json:"python,omitempty"`

	// Where the server's database is: `settings` reads the OMFLOW Server's settings.py,
	// `none` looks at no database, and otherwise a URL that begins with postgres://,
	// mysql://, sqlserver:// or oracle://. The agent starts the server when its
	// database answers, and tells the boosters what is left in the flow queue. Default:
	// settings, without home none. Placeholders are allowed.
	Database string `json:"database,omitempty"`

	// The metrics page of Oracle's exporter, where the database is an Oracle and that
	// program runs beside it. Default: none.
	OracleExporter *OracleExporter `json:"oracle_exporter,omitempty"`

	// A folder that is kept the same on all servers, such as OMFLOW Server's code. What
	// is changed in it on one of them is brought to the others, one at a time, with a
	// restart of each. Default: none is.
	Patch *Patch `json:"patch,omitempty"`

	// A folder that is copied to the other servers all the time, without a restart:
	// OMFLOW's attachments. A path below home, or a whole one; all servers that name a
	// folder share one. Default: none; `replicate` alone is uploads.
	Replicate string `json:"replicate,omitempty"`

	// How long the server may take to end after it was asked to, before it is
	// killed. Default: 40s.
	StopGrace caddy.Duration `json:"stop_grace,omitempty"`

	// How many requests at once the boosters give the server. OMFLOW runs
	// Python on one core, so that more than 8 only wait inside it. Default: 8.
	Capacity int `json:"capacity,omitempty"`

	// The server's share of the load beside others of the same capacity.
	// Default: 100.
	Weight int `json:"weight,omitempty"`

	// How the server's health is checked. A process that the agent runs is
	// replaced when its `live` check fails `fall` times in a row; without a
	// `live` check it never is. Default: in OMFLOW's way, if `home` is set.
	Health *caddyconf.Health `json:"health,omitempty"`

	log    *slog.Logger
	checks health.Config
	inUse  *lease

	arrival *arrival // of a new server
}

// CaddyModule returns the Caddy module information.
func (Agent) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "omflow.agent",
		New: func() caddy.Module { return new(Agent) },
	}
}

// Provision fills in the defaults.
func (a *Agent) Provision(ctx caddy.Context) error {
	a.log = ctx.Slogger()
	if a.isSlave() {
		return a.provisionSlave()
	}
	return a.fill()
}

// fill fills in the defaults of an agent whose options are known.
func (a *Agent) fill() error {
	if a.Home != "" {
		home, err := filepath.Abs(a.Home)
		if err != nil {
			return fmt.Errorf("agent: home %q: %w", a.Home, err)
		}
		a.Home = home
	}
	if a.StopGrace == 0 {
		a.StopGrace = caddy.Duration(supervise.DefaultStopGrace)
	}
	if a.Capacity == 0 {
		a.Capacity = defaultCapacity
	}
	if a.Weight == 0 {
		a.Weight = defaultWeight
	}
	if a.Python == "" {
		a.Python = defaultPython
	}
	if a.LeadEnv == nil {
		a.LeadEnv = []string{defaultLeadEnv}
	}
	if a.Database == "" {
		a.Database = databaseNone
		if a.Home != "" {
			a.Database = databaseSettings
		}
	}
	a.Database = caddy.NewReplacer().ReplaceKnown(a.Database, "")
	a.OracleExporter.provision()
	if a.Replicate != "" {
		folder, err := replicateFolder(a.Replicate, a.Home)
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		a.Replicate = folder
	}
	if a.Patch != nil {
		if err := a.Patch.provision(a.Home); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	a.checks = a.Health.Config(a.Home != "")
	return nil
}

// Validate refuses what cannot work, and says what to write instead.
func (a *Agent) Validate() error {
	if a.isSlave() {
		return a.validateSlave()
	}
	if err := a.check(); err != nil {
		return err
	}
	return a.checkHome()
}

// checkHome refuses a folder that is not there.
func (a *Agent) checkHome() error {
	if a.Home == "" {
		return nil
	}
	if info, err := os.Stat(a.Home); err != nil {
		return fmt.Errorf("agent: home: write the folder of the OMFLOW Server: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("agent: home %s is a file: write the folder of the OMFLOW Server", a.Home)
	}
	return nil
}

// check refuses what cannot work of an agent whose options are known, whatever is on
// the disk.
func (a *Agent) check() error {
	if a.Server == "" {
		return errors.New("agent: server is missing: write where the boosters reach the server, as in `server 10.0.0.21:8000`")
	}
	if err := caddyconf.CheckAddress(a.Server); err != nil {
		return fmt.Errorf("agent: server %q: %w", a.Server, err)
	}
	if slices.Contains(a.Run, "") {
		return errors.New("agent: run holds an empty word: write the command and its arguments")
	}
	if a.Home != "" {
		if err := checkRun(a.Run, a.LeadEnv); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	if err := checkEnv(a.LeadEnv); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := checkDatabase(a.Database); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := a.OracleExporter.check(a.Database); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if a.Database == databaseSettings && a.Home == "" {
		return errors.New("agent: database settings needs home, the OMFLOW Server's folder: write it, or the database's URL, or none")
	}
	if a.Replicate != "" {
		if err := checkReplicate(a.Replicate, a.Home, a.Patch); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	if a.Patch != nil {
		if err := a.Patch.validate(a.Home, a.Run); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	if a.StopGrace < 0 {
		return fmt.Errorf("agent: stop_grace %s is negative: write a duration such as 40s", time.Duration(a.StopGrace))
	}
	if a.Capacity < 1 || a.Capacity > maxCapacity {
		return fmt.Errorf("agent: capacity %d: write a number from 1 to %d", a.Capacity, maxCapacity)
	}
	if a.Weight < 1 || a.Weight > maxWeight {
		return fmt.Errorf("agent: weight %d: write a number from 1 to %d", a.Weight, maxWeight)
	}
	if a.checks.Live == nil && a.checks.Ready == nil {
		return errors.New("agent: without home, health must say what to ask for: write `health { live / }`, or set home to the OMFLOW Server's folder")
	}
	if err := a.Health.Validate(a.Home != ""); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// Start runs the agent: node carries its reports, keys are that node's, and stateDir
// keeps what must survive the agent, in a folder named after the server. The name is
// the server's and must be node's own. It returns once the settings are in force; the server may
// still be starting. A server that an earlier Agent with this stateDir and name
// runs is taken over, which is how it outlives a reload. A new server is started when
// what it needs has come from the cluster.
func (a *Agent) Start(node *gossip.Node, keys trust.Keys, stateDir, name string) error {
	if a.isSlave() {
		return a.startSlave(node, keys, stateDir, name)
	}
	s := a.settings(member{node}, name)
	s.keys = keys
	return a.start(stateDir, name, s)
}

// Stop ends this Agent's part. If no other Agent took the server over, it is
// stopped, and Stop returns when it is gone, after stop_grace at the latest.
// The node must still be alive, so that the boosters are told. Stop after a
// failed Start does nothing.
func (a *Agent) Stop() error {
	if v := a.arrival; v != nil {
		a.arrival = nil
		return v.end()
	}
	if a.inUse == nil {
		return nil
	}
	l := a.inUse
	a.inUse = nil
	return l.end()
}

// settings is what this configuration wants of the runner.
func (a *Agent) settings(to cluster, name string) *settings {
	s := &settings{
		server:    a.Server,
		command:   a.Run,
		home:      a.Home,
		python:    a.Python,
		leadEnv:   a.LeadEnv,
		grace:     time.Duration(a.StopGrace),
		report:    gossip.Report{Server: name, Address: a.Server, Capacity: a.Capacity, Weight: a.Weight},
		checks:    a.checks,
		startup:   startup,
		exporter:  a.OracleExporter,
		patch:     a.Patch,
		replicate: a.Replicate,
		to:        to,
		log:       a.log,
	}
	s.openPatch = openMember
	s.origin = a.origin(name)
	if a.Health != nil {
		s.health = *a.Health
	}
	if a.Database != databaseNone {
		s.database = &source{home: a.Home, python: a.Python}
		if a.Database != databaseSettings {
			s.database.url = a.Database
		}
	}
	return s
}

func (a *Agent) start(stateDir, name string, s *settings) error {
	l, err := begin(stateDir, name, s)
	if err != nil {
		return fmt.Errorf("agent %s: %w", name, err)
	}
	a.inUse = l
	if m, ok := s.to.(member); ok {
		m.serve(l.r)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Module      = (*Agent)(nil)
	_ caddy.Provisioner = (*Agent)(nil)
	_ caddy.Validator   = (*Agent)(nil)
)
