package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/service"
)

// fakeServices are services by name.
type fakeServices struct {
	there     map[string]service.Status
	installed service.Config
	did       []string
	err       error
}

func (f *fakeServices) Install(c service.Config) error { f.installed = c; return f.err }
func (f *fakeServices) Uninstall(_ context.Context, name string) error {
	f.did = append(f.did, "uninstall "+name)
	return f.err
}
func (f *fakeServices) Start(_ context.Context, name string) error {
	f.did = append(f.did, "start "+name)
	return f.err
}
func (f *fakeServices) Stop(_ context.Context, name string) error {
	f.did = append(f.did, "stop "+name)
	return f.err
}
func (f *fakeServices) Status(name string) (service.Status, error) {
	s, ok := f.there[name]
	if !ok {
		return s, fmt.Errorf("look at service %s: %w", name, service.ErrNotInstalled)
	}
	return s, nil
}
func (f *fakeServices) Close() error { return nil }

// flagged is a command with the flags of `service install`.
func flagged(flags map[string]string, in string) *cobra.Command {
	cmd := &cobra.Command{}
	for _, name := range []string{"name", "config", "adapter", "account"} {
		cmd.Flags().String(name, flags[name], "")
	}
	cmd.SetIn(strings.NewReader(in))
	return cmd
}

func TestServiceActs(t *testing.T) {
	running, stopped := service.Status{State: service.Running, PID: 7}, service.Status{State: service.Stopped, ExitCode: 1}
	stop := onService("stopped", func(ctx context.Context, m services, name string) error { return m.Stop(ctx, name) })
	for name, tt := range map[string]struct {
		there map[string]service.Status
		flag  string
		act   func(context.Context, *cobra.Command, services, io.Writer) error
		err   error
		out   string
		want  string // part of the error
	}{
		"the only one":   {map[string]service.Status{agentService: running}, "", stop, nil, "omflow-agent: stopped\n", ""},
		"none":           {nil, "", stop, nil, "", "neither omflow-booster nor omflow-agent is installed"},
		"both":           {map[string]service.Status{agentService: running, boosterService: running}, "", stop, nil, "", "omflow-booster and omflow-agent are installed"},
		"by name":        {map[string]service.Status{agentService: running, boosterService: running}, "omflow-booster", stop, nil, "omflow-booster: stopped\n", ""},
		"refused":        {map[string]service.Status{agentService: running}, "", stop, errors.New("access is denied"), "", "access is denied"},
		"status":         {map[string]service.Status{agentService: running}, "", serviceStatus, nil, "omflow-agent: running, process 7\n", ""},
		"status stopped": {map[string]service.Status{boosterService: stopped}, "", serviceStatus, nil, "omflow-booster: stopped, code 1\n", errSaid.Error()},
		"status unknown": {nil, "mine", serviceStatus, nil, "", "no such service"},
	} {
		f := &fakeServices{there: tt.there, err: tt.err}
		var out bytes.Buffer
		err := tt.act(t.Context(), flagged(map[string]string{"name": tt.flag}, ""), f, &out)
		if out.String() != tt.out || (err != nil) != (tt.out == "" || name == "status stopped") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v", name, out.String(), err)
		}
	}
}

// TestServiceInstall: what is installed follows from the configuration, which is checked
// before.
func TestServiceInstall(t *testing.T) {
	b := newBed(t)
	booster := writtenTo(t, b.alone("server 127.0.0.1:1"))
	agent := writtenTo(t, b.globals(fmt.Sprintf("omflow {\nname s1\nlisten 127.0.0.1:0\njoin 127.0.0.1:1\nstate_dir %s\nagent {\nserver 127.0.0.1:2\nhealth {\nlive /\n}\n}\n}", b.state)))
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// JSON is taken as it is written, whatever it asks for.
	unknown := filepath.Join(t.TempDir(), "booster.json")
	if err := os.WriteFile(unknown, []byte(`{"apps":{"no_such_app":{}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		flags   map[string]string
		in      string
		want    service.Config // its title and description aside
		refusal string
	}{
		"booster": {map[string]string{"config": booster}, "", service.Config{Name: boosterService, Args: []string{"run", "--config", booster}}, ""},
		"agent": {map[string]string{"config": agent, "account": `.\omflow`, "name": "mine", "adapter": "caddyfile"}, "s3cret\r\nmore",
			service.Config{Name: "mine", Account: `.\omflow`, Password: "s3cret", Args: []string{"run", "--config", agent, "--adapter", "caddyfile"}}, ""},
		"Windows' own": {map[string]string{"config": agent, "account": `NT Authority\LocalService`}, "x", service.Config{Name: agentService, Account: `NT Authority\LocalService`, Args: []string{"run", "--config", agent}}, ""},
		"a mistake":    {map[string]string{"config": writtenTo(t, "{\nomflow {\nagent {\n}\n}\n}\n")}, "", service.Config{}, "key is missing"},
		"unknown app":  {map[string]string{"config": unknown}, "", service.Config{}, "the configuration is not accepted"},
		"not there":    {map[string]string{"config": "/none/Caddyfile"}, "", service.Config{}, "none"},
		"runs schedules": {map[string]string{"config": writtenTo(t, b.globals("omflow {\nname s1\nlisten 127.0.0.1:0\njoin 127.0.0.1:1\nagent {\nserver 127.0.0.1:2\nhome /\nrun python3 manage.py runserver\n}\n}"))}, "",
			service.Config{}, "they would fire several times"},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(fakeServices)
			var out bytes.Buffer
			err := installService(t.Context(), flagged(tt.flags, tt.in), f, &out)
			if tt.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refusal) || f.installed.Name != "" {
					t.Errorf("%v, installed %+v", err, f.installed)
				}
				return
			}
			got := f.installed
			if err != nil || got.Program != program || got.Validate() != nil || got.Title == "" || got.Description == "" || !strings.HasPrefix(out.String(), tt.want.Name+": installed") {
				t.Fatalf("%v, %+v, %s", err, got, out.String())
			}
			if got.Name != tt.want.Name || got.Account != tt.want.Account || got.Password != tt.want.Password || !slices.Equal(got.Args, tt.want.Args) {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if strings.Contains(out.String(), "s3cret") {
				t.Error("the password shows")
			}
		})
	}
}

// TestServiceElsewhere: on another system than Windows the command says what to use, and
// changes nothing.
func TestServiceElsewhere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this is Windows")
	}
	caddyfile := filepath.Join(t.TempDir(), "Caddyfile")
	for _, args := range []string{"install --config " + caddyfile, "uninstall", "start", "stop", "status"} {
		code, stdout, stderr := command(t, append([]string{"service"}, strings.Fields(args)...)...)
		if code != exitNotSo || stdout != "" || !strings.Contains(stderr, "systemctl enable --now omflow-agent") {
			t.Errorf("service %s: %d, %s%s", args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"service"}, {"service", "restart"}, {"service", "start", "now"}, {"service", "start", "--nmae", "x"}} {
		if code, stdout, stderr := command(t, args...); code != exitUsage || stdout != "" || !strings.Contains(stderr, "Usage:") {
			t.Errorf("%q: %d, %s%s", args, code, stdout, stderr)
		}
	}
}
