package fleet

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/proxy"
)

func TestStaticServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if state, reason := new(member).view(); state != balance.Starting || reason != "not checked yet" {
			t.Errorf("in the beginning a server is %v, %q", state, reason)
		}
		b := begin(t)
		defer b.Close()
		b.oracle.set("10.0.0.2:80/live", "connection refused")
		b.configure(static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"))
		time.Sleep(100 * time.Millisecond)
		b.want("s1", "up", "")
		b.want("s2", "starting", "not up yet: GET /live: connection refused")
		if s := b.server("s1"); s.Agent != AgentNone || s.Capacity != 4 || s.Weight != 100 || s.Address != "10.0.0.1:80" {
			t.Errorf("%+v", s)
		}
		// Until it has answered once it is asked four times a second.
		b.oracle.set("10.0.0.2:80/live", "")
		time.Sleep(250 * time.Millisecond)
		b.want("s2", "up", "")

		// The database is down: the process lives, but can do no work.
		b.oracle.set("10.0.0.1:80/ready", "no database")
		time.Sleep(2*health.DefaultInterval - 500*time.Millisecond)
		b.want("s1", "up", "") // has failed once or twice
		time.Sleep(2 * health.DefaultInterval)
		b.want("s1", "down", "GET /ready: no database")
		if !b.Ready() {
			t.Error("one server is up, but not ready")
		}
		b.oracle.set("10.0.0.2:80", "gone")
		time.Sleep(4 * health.DefaultInterval)
		b.want("s2", "down", "GET /live: gone")
		if b.Ready() {
			t.Error("no server is up, but ready")
		}
		b.oracle.set("10.0.0.1:80/ready", "")
		time.Sleep(health.DefaultInterval)
		b.want("s1", "down", wellOnce)
		time.Sleep(2 * health.DefaultInterval)
		b.want("s1", "up", "")
		if log := b.log.String(); strings.Count(log, "server is up") != 3 || strings.Count(log, "server is down") != 2 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// That a server goes down which was taken out of use is no alarm.
func TestPlannedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"), static("s3", "10.0.0.3:80"))
		defer b.Close()
		time.Sleep(4 * health.DefaultInterval)
		b.SetOut(map[string]string{"s1": "is restarted"})
		b.SetMark("s2", balance.Maintenance)
		for _, address := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
			b.oracle.set(address, "gone")
		}
		time.Sleep(4 * health.DefaultInterval)
		for server, level := range map[string]string{"s1": "INFO", "s2": "INFO", "s3": "WARN"} {
			if want := "level=" + level + ` msg="server is down" server=` + server; !strings.Contains(b.log.String(), want) {
				t.Errorf("nothing says %s:\n%s", want, b.log.String())
			}
		}
	})
}

// A server with an agent must be well in both views.
func TestBothViews(t *testing.T) {
	for _, tt := range []struct {
		name          string
		agent         balance.Health
		lost          bool
		check         string // what is wrong as seen from here
		state, reason string
	}{
		{"both are well", balance.Up, false, "", "up", ""},
		{"the agent starts it", balance.Starting, false, "", "starting", "as the agent says"},
		{"the agent finds it down", balance.Down, false, "", "down", "as the agent says"},
		{"the agent has given up", balance.Failed, false, "", "failed", "as the agent says"},
		{"it can't be reached from here", balance.Up, false, "no route", "down", "GET /live: no route"},
		{"neither is well", balance.Down, false, "no route", "down", "as the agent says"},
		{"the agent is lost and it is well", balance.Up, true, "", "up", ""},
		{"the agent is lost after it said down", balance.Down, true, "", "up", ""},
		{"the agent is lost and it is not well", balance.Up, true, "no route", "down", "GET /live: no route"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := begin(t)
			defer b.Close()
			b.agents(agent("s1", "10.0.0.1:80"))
			time.Sleep(time.Second)
			b.want("s1", "up", "")
			if tt.check != "" {
				b.oracle.set("10.0.0.1:80", tt.check)
			}
			a := agent("s1", "10.0.0.1:80")
			a.Health, a.Lost = tt.agent, tt.lost
			if a.Health != balance.Up {
				a.Reason = "as the agent says"
			}
			b.agents(a)
			if tt.agent != balance.Up && !tt.lost { // at once, without a check
				b.want("s1", tt.state, tt.reason)
			}
			time.Sleep(5 * health.DefaultInterval)
			b.want("s1", tt.state, tt.reason)
			if s := b.server("s1"); (s.Agent == AgentLost) != tt.lost || s.Agent == AgentNone {
				t.Errorf("%s: its agent is %s", tt.name, s.Agent)
			}
			if t.Failed() {
				t.Log(tt.name)
			}
		})
	}
}

func TestAgentsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s0", "10.0.0.9:80"))
		defer b.Close()
		a := agent("s1", "10.0.0.1:80")
		a.Release, a.Database = 7, "up"
		b.agents(a, agent("s2", "10.0.0.2:80"), agent("s0", "10.0.0.3:80"))
		time.Sleep(time.Second)
		if s := b.server("s1"); s.Lead || s.Release != 7 || s.Database != "up" || s.Agent != AgentAlive || s.State != "up" {
			t.Errorf("%+v", s)
		}
		b.want("s2", "up", "")
		// A server of the configuration goes before an agent's of the same name.
		if s := b.server("s0"); s.Address != "10.0.0.9:80" || s.Agent != AgentNone {
			t.Errorf("%+v", s)
		}
		b.agents(a)
		if names := strings.Join(b.Names(), " "); names != "s0 s1" {
			t.Errorf("servers: %s", names)
		}
		asked := b.oracle.asked.Load()
		b.agents()
		b.configure()
		time.Sleep(10 * time.Second)
		if b.oracle.asked.Load() != asked || len(b.Servers()) != 0 || b.Ready() {
			t.Errorf("%d checks after all have gone, servers %v", b.oracle.asked.Load()-asked, b.Servers())
		}
	})
}

// An agent whose report can't be used does not keep the others from being heard.
func TestUnusableAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t)
		defer b.Close()
		for name, change := range map[string]func(*Agent){
			"address":      func(a *Agent) { a.Address = "10.0.0.1" },
			"port":         func(a *Agent) { a.Address = "10.0.0.1:" },
			"no capacity":  func(a *Agent) { a.Capacity = 0 },
			"capacity":     func(a *Agent) { a.Capacity = balance.MaxCapacity + 1 },
			"weight":       func(a *Agent) { a.Weight = -1 },
			"large weight": func(a *Agent) { a.Weight = balance.MaxWeight + 1 },
			"no name":      func(a *Agent) { a.Name = "" },
			"same name":    func(a *Agent) { a.Name = "s2" },
		} {
			bad := agent(name, "10.0.0.1:80")
			change(&bad)
			for n := range 5 { // the good one's report changes, the bad one's does not
				good := agent("s2", "10.0.0.2:80")
				good.Release = uint64(n + 1)
				b.agents(good, bad)
				if s := b.server("s2"); s.Release != uint64(n+1) || len(b.Servers()) != 1 {
					t.Fatalf("%s: %v", name, b.Servers())
				}
			}
			if n := strings.Count(b.log.String(), "can't be used"); n != 1 {
				t.Errorf("%s: logged %d times", name, n)
			}
			b.log.Reset()
		}
	})
}

// A reload keeps what is known of the servers, and a first check that fails after
// it is not the end of one.
func TestConfigurationChangesKeepState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t)
		defer b.Close()
		b.oracle.set("10.0.0.2:80", "gone")
		b.configure(static("s1", "10.0.0.1:80"), static("s2", "10.0.0.2:80"))
		time.Sleep(2 * time.Minute) // past the time of its start
		b.want("s2", "down", "GET /live: gone")
		b.SetMark("s1", balance.Drain)
		up := b.members["s1"].up
		grant := b.grantMarked("s1")

		b.oracle.set("10.0.0.1:80", "busy")
		changed := static("s1", "10.0.0.1:80")
		changed.Capacity, changed.Weight = 9, 50
		b.configure(changed, static("s2", "10.0.0.2:80"), static("s3", "10.0.0.3:80"))
		if s := b.server("s1"); s.State != "draining" || s.InFlight != 1 || s.Capacity != 9 || s.Weight != 50 {
			t.Errorf("%+v", s)
		}
		b.SetMark("s1", balance.NoMark)
		b.want("s1", "up", "")
		b.want("s2", "down", "GET /live: gone")
		time.Sleep(500 * time.Millisecond) // a check has failed
		b.want("s1", "up", "")
		b.want("s2", "down", "GET /live: gone")
		b.want("s3", "up", "")
		if b.members["s1"].up != up || b.Upstream(grant.Server) != up {
			t.Error("the connections were given up")
		}
		b.Balancer().Release(time.Now(), grant, balance.Outcome{})
		time.Sleep(3 * health.DefaultInterval) // three have
		b.want("s1", "down", "GET /live: busy")
		if log := b.log.String(); strings.Count(log, "joined the table") != 3 || strings.Contains(log, "left the table") {
			t.Errorf("log:\n%s", log)
		}

		// At another address it is another server, with other connections.
		b.configure(static("s1", "10.0.0.7:80"))
		if b.members["s1"].up == up {
			t.Error("the connections to another address were kept")
		}
		if _, err := up.Do(t.Context(), time.Now(), &proxy.Request{Method: "GET", Target: "/"}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a request to the old address: %v", err)
		}
		time.Sleep(300 * time.Millisecond)
		b.want("s1", "up", "")
		// Other timeouts need other connections, but no other checks.
		up = b.members["s1"].up
		cfg := b.cfg
		cfg.ResponseTimeout = time.Second
		asked := b.oracle.asked.Load()
		if err := b.Configure(cfg); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.want("s1", "up", "")
		if b.members["s1"].up == up || b.oracle.asked.Load() != asked {
			t.Errorf("same connections %v, %d checks", b.members["s1"].up == up, b.oracle.asked.Load()-asked)
		}
	})
}

// grantMarked takes a place on a server that drains: before the mark counts.
func (b *bed) grantMarked(name string) balance.Grant {
	b.t.Helper()
	b.SetMark(name, balance.NoMark)
	defer b.SetMark(name, balance.Drain)
	return b.grant(name)
}

func TestBadConfigurationChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s1", "10.0.0.1:80"))
		defer b.Close()
		time.Sleep(time.Second)
		for name, change := range map[string]func(*Config){
			"two of a name":    func(c *Config) { c.Static = append(c.Static, static("s1", "10.0.0.2:80")) },
			"no name":          func(c *Config) { c.Static[0].Name = "" },
			"address":          func(c *Config) { c.Static[0].Address = "10.0.0.2" },
			"no capacity":      func(c *Config) { c.Static[0].Capacity = 0 },
			"weight":           func(c *Config) { c.Static[0].Weight = -1 },
			"no checks":        func(c *Config) { c.Health = health.Config{} },
			"no reach":         func(c *Config) { c.Reach = health.Config{} },
			"consistency":      func(c *Config) { c.Consistency = 9 },
			"two leads":        func(c *Config) { c.Static[0].Lead, c.Static[1].Lead = true, true },
			"no logger":        func(c *Config) { c.Logger = nil },
			"policy":           func(c *Config) { c.Balance.Policy = 99 },
			"dial timeout":     func(c *Config) { c.DialTimeout = -1 },
			"response timeout": func(c *Config) { c.ResponseTimeout = -1 },
		} {
			cfg := b.config(static("s2", "10.0.0.2:80"), static("s1", "10.0.0.1:80"))
			cfg.Balance.QueueLength = 1
			change(&cfg)
			if cfg.Validate() == nil || b.Configure(cfg) == nil {
				t.Errorf("%s is taken", name)
			}
			if _, err := New(cfg); err == nil {
				t.Errorf("%s is taken at first", name)
			}
			b.agents(agent("s3", "10.0.0.3:80")) // and later changes are not hindered
			b.agents()
			if names := strings.Join(b.Names(), " "); names != "s1" {
				t.Fatalf("%s: servers %s", name, names)
			}
			b.want("s1", "up", "")
		}
	})
}

func TestMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := begin(t, static("s1", "10.0.0.1:80"))
		defer b.Close()
		time.Sleep(time.Second)
		marks := map[string]balance.Mark{"s1": balance.Drain, "s2": balance.Maintenance}
		b.SetMarks(marks)
		delete(marks, "s1") // it is the caller's
		b.want("s1", "draining", "")
		b.agents(agent("s2", "10.0.0.2:80")) // comes later, and is marked at once
		b.want("s1", "draining", "")
		if s := b.server("s2"); s.State != "maintenance" {
			t.Errorf("%+v", s)
		}
		b.SetMark("s1", balance.NoMark)
		b.want("s1", "up", "")
		if s := b.server("s2"); s.State != "maintenance" {
			t.Errorf("%+v", s)
		}
		b.SetMarks(nil)
		time.Sleep(time.Second)
		b.want("s2", "up", "")
		b.SetMark("nobody", balance.Drain) // no such server: no error, no server
		if n := len(b.Servers()); n != 2 {
			t.Errorf("%d servers", n)
		}
	})
}
