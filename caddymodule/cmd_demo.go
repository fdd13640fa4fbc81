package caddymodule

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/demo"
)

func demoCommand() *cobra.Command {
	var c demo.Config
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Runs a booster, agents and stand-in servers on this machine",
		Long: `
Runs a whole small cluster in one process tree: a booster, an agent for each server,
and stand-ins for OMFLOW Server that share an embedded database. It prints the
addresses to open and things to try. Ctrl-C stops everything.`,
		Args: exactly(0, "no arguments"),
		RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
			program, err := os.Executable()
			if err != nil {
				return err
			}
			c.Program, c.Out = program, out
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return demo.Run(ctx, c)
		}),
	}
	cmd.Flags().StringVar(&c.Listen, "listen", "", "Where OMFLOW is served (default 127.0.0.1:8080)")
	cmd.Flags().StringVar(&c.Admin, "admin", "", "Where the admin API listens (default 127.0.0.1:2019)")
	cmd.Flags().IntVar(&c.Servers, "servers", 0, "How many servers there are (default 3)")
	cmd.Flags().StringVar(&c.Dir, "dir", "", "Folder for configuration, logs and servers (default: a new one, removed at the end)")
	cmd.Flags().Float64Var(&c.TimeScale, "time-scale", 0, "Multiplies the time that servers take for a request (default 1)")
	return cmd
}
