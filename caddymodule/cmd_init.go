package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/omflow/booster/internal/setup"
	"github.com/omflow/booster/internal/setup/terminal"
)

// validateTimeout bounds `booster validate`, which takes about a second.
const validateTimeout = time.Minute

func initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [--kind booster|agent] [--yes] [--force]",
		Short: "Makes this machine a node: Caddyfile, key, systemd unit",
		Long: `
Asks what this machine is to be, a booster or an agent beside an OMFLOW Server, and
writes its Caddyfile, its key file and its systemd unit, and makes the unit's state
folder. What it finds on the machine and in OMFLOW's settings.py is suggested as an
answer. A machine without OMFLOW Server becomes a Slave (--installed no): its agent
fetches all but Python from the other servers, and only the boosters' addresses and the
key have to be typed.

Each question is also a flag: what is given is not asked for. With --yes nothing is
asked, and what is suggested is taken. Without a terminal the answers come from
standard input, a line each.

The key is made here (--key new), kept (--key keep), read from a file (--key <file>),
or entered: --key - asks for it, and with --yes reads it from standard input.

A file that exists is shown with what would change, and written over only when that
is confirmed, or with --force. The Caddyfile is checked as "booster validate" does it
before it gets its name. Nothing is started.`,
		Args: exactly(0, "no arguments"),
		RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			return runInit(ctx, cmd, out)
		}),
	}
	for _, q := range append(setup.Questions(), setup.KeyQuestion()) {
		usage := q.Title
		if q.Choices != nil {
			usage += " (" + q.Words() + ")"
		}
		cmd.Flags().String(q.Name, "", usage)
	}
	cmd.Flags().String("dir", defaultConfigDir(), "The folder for Caddyfile and key file")
	cmd.Flags().String("units", defaultUnitDir(), "The folder for the systemd unit; empty for none")
	cmd.Flags().String("admin", "", "The address of the node's admin API; needed where two nodes share a machine (default localhost:2019)")
	cmd.Flags().BoolP("yes", "y", false, "Ask nothing, take what is suggested")
	cmd.Flags().Bool("force", false, "Write over files that exist")
	return cmd
}

func defaultConfigDir() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), "omflow-booster")
	}
	return "/etc/omflow-booster"
}

// defaultUnitDir is where units of the machine's own go, where systemd runs
// (sd_booted(3)).
func defaultUnitDir() string {
	if info, err := os.Stat("/run/systemd/system"); err != nil || !info.IsDir() {
		return ""
	}
	return "/etc/systemd/system"
}

func runInit(ctx context.Context, cmd *cobra.Command, out io.Writer) error {
	paths, err := initPaths(cmd)
	if err != nil {
		return err
	}
	given := make(map[string]string)
	for _, q := range append(setup.Questions(), setup.KeyQuestion()) {
		if f := cmd.Flags().Lookup(q.Name); f.Changed {
			given[q.Name] = f.Value.String()
		}
	}
	asker, person := initAsker(cmd)
	plan, err := setup.Interview(ctx, paths, setup.ThisMachine(), given, asker)
	if err != nil {
		return err
	}
	files, err := plan.Files()
	if err != nil {
		return err
	}
	force, _ := cmd.Flags().GetBool("force")
	changes, err := initChanges(ctx, files, paths.Installed, force, person)
	if err != nil {
		return err
	}
	var notGiven []setup.File
	for _, c := range changes {
		if c.Same {
			fmt.Fprintf(out, "%s: is there as it should be\n", c.At)
			continue
		}
		var check func(string) error
		if c.Path == plan.Caddyfile() {
			check = func(path string) error { return validateCaddyfile(ctx, path) }
		}
		given, err := c.Write(check)
		if err != nil {
			return err
		}
		if !given {
			notGiven = append(notGiven, c.File)
		}
		fmt.Fprintf(out, "%s: %s written\n", c.Path, c.What)
	}
	made := plan.MakeState() // the key's text is among what comes next: it is told in any case
	_, err = fmt.Fprintf(out, "\n%s", plan.Next(notGiven))
	return errors.Join(made, err)
}

func initPaths(cmd *cobra.Command) (setup.Paths, error) {
	p := setup.Paths{Installed: "/usr/lib/systemd/system", Service: runtime.GOOS == "windows"}
	var err error
	if p.Program, err = os.Executable(); err != nil {
		return p, fmt.Errorf("find this program: %w", err)
	}
	dir, _ := cmd.Flags().GetString("dir")
	if p.Dir, err = filepath.Abs(dir); err != nil {
		return p, fmt.Errorf("find the folder %s: %w", dir, err)
	}
	if units, _ := cmd.Flags().GetString("units"); units != "" {
		if p.Units, err = filepath.Abs(units); err != nil {
			return p, fmt.Errorf("find the folder %s: %w", units, err)
		}
	}
	p.Admin, _ = cmd.Flags().GetString("admin")
	return p, nil
}

// initAsker chooses who answers. person is nil unless somebody sits at a terminal.
func initAsker(cmd *cobra.Command) (asker setup.Asker, person *terminal.Asker) {
	in := bufio.NewReader(cmd.InOrStdin())
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return setup.Suggested{In: in}, nil
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) {
		person = &terminal.Asker{In: os.Stdin, Out: os.Stderr}
		return person, person
	}
	return setup.Lines{In: in, Out: os.Stderr}, nil
}

// initChanges holds the files against the disk, and leaves out those that a person
// wants to keep. Where nobody can be asked and --force is not given, a file that
// exists with other contents is an error.
func initChanges(ctx context.Context, files []setup.File, installed string, force bool, person *terminal.Asker) ([]setup.Change, error) {
	var changes []setup.Change
	var inTheWay []string
	for _, f := range files {
		c, err := setup.Compare(f, installed)
		if err != nil {
			return nil, err
		}
		if !c.Exists || c.Same {
			changes = append(changes, c)
			continue
		}
		fmt.Fprint(os.Stderr, c.Diff())
		switch {
		case force:
			changes = append(changes, c)
		case person == nil:
			inTheWay = append(inTheWay, c.Path)
		default:
			over, err := person.Confirm(ctx, "Write over "+c.Path+"?")
			if err != nil {
				return nil, err
			}
			if over {
				changes = append(changes, c)
			}
		}
	}
	if len(inTheWay) > 0 {
		return nil, fmt.Errorf("%s would be changed, see above: give --force to write over what is there; nothing was written", strings.Join(inTheWay, ", "))
	}
	return changes, nil
}

// validateCaddyfile runs `booster validate`, with folders of its own for what Caddy
// keeps, so that nothing of root's is left where the service's user can't read it.
func validateCaddyfile(ctx context.Context, path string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir, err := os.MkdirTemp("", "omflow-init-*")
	if err != nil {
		return fmt.Errorf("make a folder for the check: %w", err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "validate", "--config", path, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := bytes.Split(bytes.TrimSpace(said), []byte("\n"))
	if last := string(lines[len(lines)-1]); last != "" {
		return errors.New("the Caddyfile is not accepted: " + strings.TrimPrefix(last, "Error: "))
	}
	return fmt.Errorf("check the Caddyfile: %w", err)
}
