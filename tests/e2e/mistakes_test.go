//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A mistake in the Caddyfile ends `validate` and `run` with exit code 1, and with a
// message that says where it is and what to write instead.
func TestMistakes(t *testing.T) {
	needProgram(t)
	cases := []struct {
		name      string
		caddyfile string
		says      []string
	}{
		{"unknown option", "{\n\tomflow {\n\t\tcolour blue\n\t}\n}\n", []string{
			"Caddyfile:3", `unknown option \"colour\" in omflow: write one of name, listen`}},
		{"unknown option of the front door", ":%d {\n\tomflow_booster {\n\t\tserver 127.0.0.1:9\n\t\tservers 127.0.0.1:9\n\t}\n}\n", []string{
			"Caddyfile:4", `unknown option \"servers\" in omflow_booster: write one of server`}},
		{"bad duration", ":%d {\n\tomflow_booster {\n\t\tserver 127.0.0.1:9\n\t\tresponse_timeout soon\n\t}\n}\n", []string{
			"Caddyfile:4", `response_timeout \"soon\": write a duration such as 500ms`}},
		{"two servers of one name", ":%d {\n\tomflow_booster {\n\t\tserver 127.0.0.1:9 name=a\n\t\tserver 127.0.0.1:10 name=a\n\t}\n}\n", []string{
			"Caddyfile:4", "two servers are named a: give one of them another name"}},
		{"a server that would run schedules everywhere", "{\n\tomflow {\n\t\tagent {\n\t\t\tserver 127.0.0.1:9\n\t\t\thome /\n\t\t\trun python3 manage.py runserver\n\t\t}\n\t}\n}\n", []string{
			"starts the schedules on each server", "gunicorn"}},
		{"no key on a public address", "{\n\tomflow {\n\t\tname a\n\t\tlisten :%d\n\t}\n}\n", []string{
			"Caddyfile:2", "key is missing", "booster omflow keygen", "key <secret>"}},
		{"no servers", ":%d {\n\tomflow_booster\n}\n", []string{
			"there are no servers: write `server <host:port>`"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			port := portOf(t, harness.FreeAddress(t))
			for _, command := range []string{"validate", "run"} {
				out := loadFile(t, command, strings.ReplaceAll(tc.caddyfile, "%d", port))
				refused(t, command, out, tc.says...)
			}
		})
	}
}

// A port that is taken ends `run` with exit code 1, and with the option to change.
func TestPortTaken(t *testing.T) {
	needProgram(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	out := loadFile(t, "run", fmt.Sprintf("{\n\tadmin off\n\tomflow {\n\t\tname a\n\t\tlisten %s\n\t}\n}\n", address))
	refused(t, "run", out, "Caddyfile:5", address, "the port is taken", "write another `listen` address")

	out = loadFile(t, "run", fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n}\nhttp://:%s {\n\tomflow_booster {\n\t\tserver 127.0.0.1:9\n\t}\n}\n",
		portOf(t, address)))
	refused(t, "run", out, portOf(t, address), "address already in use")
}

// Two agents of one name: the first keeps it, and the booster's status says so.
func TestAgentsOfOneName(t *testing.T) {
	c := start(t, harness.Config{})
	pid := c.Agents[0].ServerPID()
	double := c.AddAgent(t, "s1-double", harness.Server{})
	double.Name = "s1"
	double.Start(t)
	harness.Wait(t, harness.StartTime, "the booster tells of two nodes named s1", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		for _, problem := range status.Problems {
			if strings.Contains(problem, "s1") {
				return nil
			}
		}
		return fmt.Errorf("problems: %q", status.Problems)
	})
	status, err := c.Booster.Status()
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Servers) != 3 {
		t.Errorf("servers: %+v", status.Servers)
	}
	for _, s := range status.Servers {
		if s.Name == "s1" && (s.Address != c.Agents[0].Server || s.State != "up") {
			t.Errorf("s1 is %+v; it was at %s", s, c.Agents[0].Server)
		}
	}
	if now := c.Agents[0].ServerPID(); now != pid {
		t.Errorf("s1's process is %d, it was %d", now, pid)
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// loadFile runs the program's command on a Caddyfile.
func loadFile(t *testing.T, command, text string) harness.Output {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return harness.Run(t, program, dir, command, "--config", path)
}

func refused(t *testing.T, command string, out harness.Output, says ...string) {
	t.Helper()
	if out.Code != 1 {
		t.Errorf("%s: exit code %d", command, out.Code)
	}
	for _, text := range says {
		if !strings.Contains(out.Stderr, text) {
			t.Errorf("%s does not say %q:\n%s", command, text, out.Stderr)
		}
	}
}
