package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/omflow/booster/internal/testbed"
	"github.com/omflow/booster/internal/trust"
)

// Exit codes of the commands.
const (
	exitOK    = 0
	exitNotSo = 1 // what was asked for is not so
	exitUsage = 2
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "omflow",
		Usage: "<command>",
		Short: "Sets up and operates OMFLOW Booster",
		Long: `
Commands that set up and operate OMFLOW Booster. Those that ask or tell a running
booster use its admin API; --address says where that is.

They end with 0 when all is well, with 1 when the thing asked for is not so, and
with 2 for wrong usage. What they print on standard output is the answer, everything
else goes to standard error.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(keygenCommand(), statusCommand(), demoCommand(), standInCommand(), leadCommand(), failoverCommand(), releasesCommand(), profileCommand(), dbCheckCommand(), oracleExporterCommand(), doctorCommand(), initCommand(), serviceCommand(), guardCommand())
			for _, act := range serverActs {
				cmd.AddCommand(serverCommand(act))
			}
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usageError(fmt.Errorf("unknown command %q", args[0]), cmd)
				}
				return cmd.Help()
			}
			cmd.Args = cobra.ArbitraryArgs
			for _, c := range append(cmd.Commands(), cmd) {
				c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError(err, cmd) })
				c.SilenceUsage = true
			}
		},
	})
}

// usageError ends the process with exitUsage: Caddy's Main knows no way for a
// command to say that.
func usageError(err error, cmd *cobra.Command) error {
	fmt.Fprintf(os.Stderr, "Error: %v\n\n%s", err, cmd.UsageString())
	os.Exit(exitUsage)
	return nil
}

// exactly refuses another number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError(fmt.Errorf("%s takes %s", cmd.Name(), what), cmd)
		}
		return nil
	}
}

// run makes a command's function from one that writes its answer to out. An error
// goes to standard error, and the process ends with exitNotSo.
func run(f func(cmd *cobra.Command, args []string, out io.Writer) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args, os.Stdout)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errSaid) {
			fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		}
		os.Exit(exitNotSo)
		return nil
	}
}

// errSaid ends a command that has said what there is to say.
var errSaid = errors.New("")

func keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen",
		Short: "Makes a cluster key",
		Long: `
Makes a new cluster key and prints it. Write it as "key <secret>" into the omflow
block of all nodes. Who has it can run code on every server: keep it like a root
password.

To change the key without an interruption, reload all nodes with "key <old> <new>",
then all with "key <new> <old>", then all with "key <new>". Where the keys are in a file
that the configuration names, that is "booster reload --force": Caddy does nothing for a
configuration that reads as before.`,
		Args: exactly(0, "no arguments"),
		RunE: run(func(_ *cobra.Command, _ []string, out io.Writer) error {
			_, err := fmt.Fprintln(out, trust.Generate())
			return err
		}),
	}
}

func standInCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "stand-in",
		Short:              "Runs a stand-in for OMFLOW Server, for demos and tests",
		DisableFlagParsing: true,
		Run: func(_ *cobra.Command, args []string) {
			os.Exit(testbed.Main(args))
		},
	}
}

func addressFlag(cmd *cobra.Command) {
	cmd.Flags().String("address", caddy.DefaultAdminListen, "The booster's admin API")
}
