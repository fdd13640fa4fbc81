//go:build linux

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Node is a booster or an agent. What its Caddyfile says is in its fields, which a
// test may change before Start or Reload.
type Node struct {
	*Process // nil until Start
	Name     string
	Dir      string
	Admin    string // address of Caddy's admin API
	Gossip   string // address of the cluster's port
	Keys     []string

	// URL is where a booster serves; Front, Global and Sites are lines of its
	// Caddyfile as in Config.
	URL                  string
	Front, Global, Sites string

	// Role is a booster's in a pair.
	Role string

	// Server is where an agent's server serves; Spec and Health are what the
	// agent's Caddyfile says of it.
	Server string
	Spec   Server
	Health string
	// New is a server that takes all else from the cluster. Its folder is not made.
	New bool

	cluster *Cluster
}

// Home is the folder of the agent's server.
func (n *Node) Home() string { return filepath.Join(n.Dir, "home") }

// Caddyfile is the path of the node's configuration.
func (n *Node) Caddyfile() string { return filepath.Join(n.Dir, "Caddyfile") }

// Start writes the Caddyfile and starts the node. It does not wait for anything.
func (n *Node) Start(t testing.TB) {
	t.Helper()
	n.write(t)
	n.Process = StartProcess(t, n.cluster.Config.Program, n.Dir, n.Name, "run", "--config", n.Caddyfile())
}

// Reload writes the Caddyfile and has the node load it.
func (n *Node) Reload(t testing.TB) {
	t.Helper()
	n.write(t)
	out := n.run(t, "reload", "--config", n.Caddyfile(), "--address", n.Admin)
	if out.Code != 0 {
		t.Fatalf("reload %s: exit code %d\n%s", n.Name, out.Code, out.Stderr)
	}
}

// Command runs `booster omflow …` with the node's admin address.
func (n *Node) Command(t testing.TB, args ...string) Output {
	t.Helper()
	return n.run(t, slices.Concat([]string{"omflow"}, args, []string{"--address", n.Admin})...)
}

func (n *Node) run(t testing.TB, args ...string) Output {
	t.Helper()
	return Run(t, n.cluster.Config.Program, n.Dir, args...)
}

func (n *Node) write(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(n.Caddyfile(), []byte(n.text()), 0o644); err != nil {
		t.Fatalf("write a Caddyfile: %v", err)
	}
}

func (n *Node) text() string {
	var global, sites strings.Builder
	if n.Server == "" {
		global.WriteString(n.Global)
		fmt.Fprintf(&sites, "%s {\n\tomflow_booster {\n%s\n\t}\n}\n%s\n", n.URL, n.Front, n.Sites)
	}
	join, part := "", ""
	if n.Role != "" {
		part = "booster {\n\t\t\trole " + n.Role + "\n\t\t}"
	}
	for _, booster := range n.cluster.Boosters {
		if booster != n {
			join += " " + booster.Gossip
		}
	}
	if join != "" {
		join = "join" + join
	}
	if n.Server != "" {
		part = n.agent()
	}
	https := "auto_https off\n"
	if strings.Contains(n.Global, "auto_https") {
		https = ""
	}
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	%s
	%s
	omflow {
		name      %s
		listen    %s
		%s
		key       %s
		state_dir %q
		%s
	}
}

%s`, n.Admin, https, global.String(), n.Name, n.Gossip, join, strings.Join(n.Keys, " "),
		filepath.Join(n.Dir, "state"), part, sites.String())
}

func (n *Node) agent() string {
	if n.New {
		_, port, _ := strings.Cut(n.Server, ":")
		return fmt.Sprintf("agent {\n\t\t\thome %q\n\t\t\tserver :%s\n\t\t}", n.Home(), port)
	}
	var numbers string
	if n.Spec.Capacity != 0 {
		numbers += fmt.Sprintf("\ncapacity %d", n.Spec.Capacity)
	}
	if n.Spec.Weight != 0 {
		numbers += fmt.Sprintf("\nweight %d", n.Spec.Weight)
	}
	return fmt.Sprintf(`agent {
			home       %[1]q
			server     %[2]s
			run        %[3]q omflow stand-in --name %[4]s --listen %[2]s --home %[1]q --database %[5]s --postgres %[9]s --time-scale %[6]g --linger 0s --instruments
			database   postgres://omflow@%[9]s/omflow?sslmode=disable
			stop_grace 5s
			patch
			replicate
			%[7]s
			health {
				%[8]s
			}
		}`, n.Home(), n.Server, n.cluster.Config.Program, n.Name, n.cluster.databaseAddress, n.cluster.Config.TimeScale,
		numbers, n.Health, n.cluster.postgresAddress)
}
