package caddymodule

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/omflow/booster/internal/service"
)

// Names of the Windows services, as those of the systemd units.
const (
	boosterService = "omflow-booster"
	agentService   = "omflow-agent"
)

// serviceTimeout is how long a service may take to start or to end: an agent ends its
// OMFLOW Server, which takes up to stop_grace, 40 s where nothing else is written.
const serviceTimeout = 90 * time.Second

// services is what the command needs of the service manager; *service.Manager is one.
type services interface {
	Install(service.Config) error
	Uninstall(ctx context.Context, name string) error
	Start(ctx context.Context, name string) error
	Stop(ctx context.Context, name string) error
	Status(name string) (service.Status, error)
	Close() error
}

func openServices() (services, error) { return service.Open() }

func serviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service install|uninstall|start|stop|status",
		Short: "Runs a node as a Windows service",
		Long: `
Makes a node a service of Windows, which starts with the machine and is started again
when it ends by itself; starts and stops it, and tells whether it runs. Stopping lets
requests in flight end; an agent stops its OMFLOW Server too. Changing services needs a
prompt of an administrator.

The service is called omflow-booster or omflow-agent, as its configuration says;
--name is for another name. On Linux systemd does all this, with units of those names.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return usageError(errors.New("write what to do: install, uninstall, start, stop or status"), cmd)
		},
	}
	add := func(use, short string, act func(ctx context.Context, cmd *cobra.Command, m services, out io.Writer) error) *cobra.Command {
		c := &cobra.Command{
			Use: use, Short: short, Args: exactly(0, "no arguments"), SilenceUsage: true,
			RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
				m, err := openServices()
				if err != nil {
					return err
				}
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
				defer stop()
				ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
				defer cancel()
				return errors.Join(act(ctx, cmd, m, out), m.Close())
			}),
		}
		c.Flags().String("name", "", "The service's name (default: omflow-booster or omflow-agent)")
		c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(err, cmd) })
		cmd.AddCommand(c)
		return c
	}
	install := add("install --config <file>", "Makes a node a service, and starts nothing", installService)
	install.Flags().StringP("config", "c", adjacentCaddyfile(), "The node's configuration")
	install.Flags().StringP("adapter", "a", "", "How it is written, if not as its name says")
	install.Flags().String("account", "", "The account that runs it; its password is asked for (default: LocalSystem)")
	add("uninstall", "Stops a service and removes it", onService("removed", func(ctx context.Context, m services, name string) error { return m.Uninstall(ctx, name) }))
	add("start", "Starts a service, and waits until it serves", onService("runs", func(ctx context.Context, m services, name string) error { return m.Start(ctx, name) }))
	add("stop", "Stops a service, and waits until it has ended", onService("stopped", func(ctx context.Context, m services, name string) error { return m.Stop(ctx, name) }))
	add("status", "Tells what a service does; ends with 0 when it runs", serviceStatus)
	return cmd
}

// onService makes an act of one that is done to a service; done is said then.
func onService(done string, act func(context.Context, services, string) error) func(context.Context, *cobra.Command, services, io.Writer) error {
	return func(ctx context.Context, cmd *cobra.Command, m services, out io.Writer) error {
		name, err := serviceName(cmd, m)
		if err != nil {
			return err
		}
		if err := act(ctx, m, name); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s: %s\n", name, done)
		return err
	}
}

// serviceName is the service that is meant: the one that is named, or the one that is
// installed.
func serviceName(cmd *cobra.Command, m services) (string, error) {
	if name, _ := cmd.Flags().GetString("name"); name != "" {
		return name, nil
	}
	var found []string
	for _, name := range []string{boosterService, agentService} {
		switch _, err := m.Status(name); {
		case err == nil:
			found = append(found, name)
		case !errors.Is(err, service.ErrNotInstalled):
			return "", err
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("neither %s nor %s is installed: install one, or write its --name", boosterService, agentService)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s are installed: write --name and one of them", strings.Join(found, " and "))
}

func serviceStatus(_ context.Context, cmd *cobra.Command, m services, out io.Writer) error {
	name, err := serviceName(cmd, m)
	if err != nil {
		return err
	}
	s, err := m.Status(name)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s: %s", name, s.State)
	switch {
	case s.PID != 0:
		text += fmt.Sprintf(", process %d", s.PID)
	case s.State == service.Stopped && s.ExitCode != 0:
		text += fmt.Sprintf(", code %d", s.ExitCode)
	}
	if _, err := fmt.Fprintln(out, text); err != nil {
		return err
	}
	if s.State != service.Running {
		return errSaid
	}
	return nil
}

// installService checks the configuration first: a service that can't start tells
// nobody why.
func installService(ctx context.Context, cmd *cobra.Command, m services, out io.Writer) error {
	config, _ := cmd.Flags().GetString("config")
	adapter, _ := cmd.Flags().GetString("adapter")
	if config == "" {
		return usageError(errors.New("there is no Caddyfile in this folder: write --config and the node's configuration"), cmd)
	}
	config, err := filepath.Abs(config)
	if err != nil {
		return fmt.Errorf("find the configuration: %w", err)
	}
	c, err := nodeService(config, adapter)
	if err != nil {
		return err
	}
	if name, _ := cmd.Flags().GetString("name"); name != "" {
		c.Name = name
	}
	if c.Account, _ = cmd.Flags().GetString("account"); c.Account != "" {
		if c.Password, err = accountPassword(cmd, c.Account); err != nil {
			return err
		}
	}
	if err := m.Install(c); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: installed; it starts with the machine, or now with: booster omflow service start --name %[1]s\n", c.Name)
	return err
}

// nodeService is the service of the node that has this configuration.
func nodeService(config, adapter string) (service.Config, error) {
	program, err := os.Executable()
	if err != nil {
		return service.Config{}, fmt.Errorf("find this program: %w", err)
	}
	c := service.Config{
		Name: boosterService, Title: "OMFLOW Booster", Description: "Spreads the requests of OMFLOW's users over its servers.",
		Program: program, Args: []string{"run", "--config", config},
	}
	if adapter != "" {
		c.Args = append(c.Args, "--adapter", adapter)
	}
	_ = caddy.Validate(&caddy.Config{Logging: quietLogging()}) // see examine
	text, _, _, err := caddycmd.LoadConfig(config, adapter)
	if err != nil {
		return service.Config{}, err
	}
	if err := validate(text); err != nil {
		return service.Config{}, fmt.Errorf("the configuration is not accepted: %w", err)
	}
	var parts struct {
		Apps struct {
			OMFLOW struct {
				Agent json.RawMessage `json:"agent"`
			} `json:"omflow"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return service.Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	if parts.Apps.OMFLOW.Agent != nil {
		c.Name, c.Title, c.Description = agentService, "OMFLOW Booster agent", "Starts the OMFLOW Server of this machine, and tells the Boosters how it is."
	}
	return c, nil
}

// accountPassword reads an account's password, without showing it. Accounts of Windows'
// own have none.
func accountPassword(cmd *cobra.Command, account string) (string, error) {
	if owner, _, ok := strings.Cut(strings.ToUpper(account), `\`); ok && (owner == "NT AUTHORITY" || owner == "NT SERVICE") || strings.EqualFold(account, "LocalSystem") {
		return "", nil
	}
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		fmt.Fprintf(os.Stderr, "Password of %s: ", account)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(b), nil
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
