//go:build linux

package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/dbprocess"
	"github.com/omflow/booster/internal/trust"
)

// StartTime is how long a whole cluster may take to come up on a machine that has
// other things to do.
const StartTime = 60 * time.Second

// Config is a cluster. The zero value of a field is its default.
type Config struct {
	// Program is the booster's executable. Required.
	Program string
	// Boosters is how many there are. Default 1.
	Boosters int
	// Servers are s1, s2, …. Default three with the program's defaults.
	Servers []Server
	// Keys are the cluster key, perhaps followed by older ones. Default a new one.
	Keys []string
	// Front are lines in the omflow_booster block.
	Front string
	// Global are lines in a booster's global block, and Sites follow its site.
	Global, Sites string
	// Health are lines in the agents' health block. Default a check each second.
	Health string
	// TimeScale multiplies the time that servers take for a request. Default 0.25,
	// so that three of them are at rest under 200 requests a second.
	TimeScale float64
	// Postgres has the servers share a real PostgreSQL 15 that belongs to the test, which
	// is skipped where there is none. Default: a stand-in of it.
	Postgres bool
}

// Server is what an agent says of its server. 0 is the program's default.
type Server struct {
	Capacity, Weight int
}

const (
	defaultTimeScale = 0.25
	defaultHealth    = "interval 1s\ntimeout 1s"
)

// Cluster is a database, boosters, and agents with their servers. Its methods are
// for the test's goroutine.
type Cluster struct {
	Dir      string
	Config   Config
	Booster  *Node   // the first
	Boosters []*Node // all
	Agents   []*Node
	Database *Process          // nil with a real PostgreSQL
	Postgres *dbprocess.Server // nil without
	// Queries reaches the database past the servers.
	Queries database.Queries

	databaseAddress string // as servers take it
	postgresAddress string // where it speaks PostgreSQL's protocol
	users           int
}

// Start starts a cluster, and has the test end it. It returns when all servers
// take requests.
func Start(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	if cfg.Servers == nil {
		cfg.Servers = make([]Server, 3)
	}
	if cfg.Keys == nil {
		cfg.Keys = []string{trust.Generate()}
	}
	if cfg.TimeScale == 0 {
		cfg.TimeScale = defaultTimeScale
	}
	if cfg.Health == "" {
		cfg.Health = defaultHealth
	}
	c := &Cluster{Dir: t.TempDir(), Config: cfg}
	c.newDatabase(t)
	t.Cleanup(func() { c.close(t) })
	c.StartDatabase(t)
	pool := database.NewPool(c.databaseAddress)
	t.Cleanup(pool.Close)
	c.Queries = database.Queries{Caller: pool}
	Wait(t, StartTime, "the database comes up", c.Queries.Ping)

	for i := range max(1, cfg.Boosters) {
		name := "booster"
		if i > 0 {
			name = fmt.Sprintf("booster%d", i+1)
		}
		n := c.newNode(t, name)
		n.URL = "http://" + FreeAddress(t)
		if cfg.Boosters > 1 {
			n.Role = [...]string{"primary", "secondary"}[i]
		}
		n.Front, n.Global, n.Sites = cfg.Front, cfg.Global, cfg.Sites
		c.Boosters = append(c.Boosters, n)
	}
	c.Booster = c.Boosters[0]
	for _, n := range c.Boosters {
		n.Start(t)
	}
	for i, s := range cfg.Servers {
		c.AddAgent(t, fmt.Sprintf("s%d", i+1), s).Start(t)
	}
	for _, n := range c.Boosters {
		c.WaitUpAt(t, n, len(cfg.Servers))
	}
	if len(cfg.Servers) > 0 {
		c.waitLead(t)
	}
	return c
}

// waitLead waits until there is a lead server and nothing is being done: until then work
// may be held.
func (c *Cluster) waitLead(t testing.TB) {
	t.Helper()
	Wait(t, StartTime, "there is a lead server", func() error {
		for _, n := range c.Boosters {
			status, err := n.Status()
			if err != nil {
				return err
			}
			if lead := status.Lead; lead != nil && lead.State == "lead" && lead.Doing == "" {
				return nil
			}
		}
		return errors.New("no booster has one")
	})
}

func (c *Cluster) newNode(t testing.TB, name string) *Node {
	t.Helper()
	n := &Node{Name: name, Dir: filepath.Join(c.Dir, name), Admin: FreeAddress(t), Gossip: FreeAddress(t), Keys: c.Config.Keys, cluster: c}
	if err := os.MkdirAll(n.Dir, 0o755); err != nil {
		t.Fatalf("make the folder of %s: %v", name, err)
	}
	return n
}

// AddAgent returns one more agent, which is not started yet.
func (c *Cluster) AddAgent(t testing.TB, name string, s Server) *Node {
	t.Helper()
	n := c.newNode(t, name)
	n.Server, n.Spec, n.Health = FreeAddress(t), s, c.Config.Health
	if err := os.MkdirAll(n.Home(), 0o755); err != nil {
		t.Fatalf("make the home of %s: %v", name, err)
	}
	c.Agents = append(c.Agents, n)
	return n
}

// AddNew returns an agent that is not started yet, for a server of which nothing is
// there but its place in the cluster.
func (c *Cluster) AddNew(t testing.TB, name string) *Node {
	t.Helper()
	n := c.newNode(t, name)
	n.Server, n.New = FreeAddress(t), true
	c.Agents = append(c.Agents, n)
	return n
}

// WaitUp waits until the first booster knows n servers with agents, all of them up.
func (c *Cluster) WaitUp(t testing.TB, n int) {
	t.Helper()
	c.WaitUpAt(t, c.Booster, n)
}

// WaitUpAt is WaitUp for a booster.
func (c *Cluster) WaitUpAt(t testing.TB, booster *Node, n int) {
	t.Helper()
	Wait(t, StartTime, fmt.Sprintf("%d servers come up", n), func() error {
		if booster.Ended() {
			t.Fatalf("%s has ended", booster.Name)
		}
		status, err := booster.Status()
		if err != nil {
			return err
		}
		up, all := 0, 0
		for _, s := range status.Servers {
			if s.Agent != "none" {
				all++
			}
			if s.State == "up" && s.Agent == "alive" {
				up++
			}
		}
		if up != n || all != n {
			return fmt.Errorf("servers: %+v", status.Servers)
		}
		return nil
	})
}

// close ends everything, and tells what it left behind.
func (c *Cluster) close(t testing.TB) {
	agents := c.Agents
	for _, n := range agents { // they end side by side
		if n.Process != nil {
			n.Signal(syscall.SIGCONT)
			n.Signal(syscall.SIGTERM)
		}
	}
	for _, n := range slices.Concat(agents, c.Boosters) {
		if n.Process != nil {
			n.Stop(t)
		}
	}
	c.StopDatabase(t)
	for _, pid := range ProcessesOf(c.Dir) {
		t.Errorf("process %d was left behind", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if !t.Failed() {
		return
	}
	for _, n := range slices.Concat(c.Boosters, agents) {
		if n.Process != nil {
			n.printLog(t)
		}
	}
	if c.Database != nil {
		c.Database.printLog(t)
	}
}
