package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/guard"
)

func leadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lead <server>",
		Short: "Makes a server the lead server",
		Long: `
The lead server runs the schedules, and takes the requests that change one server's
memory or disk: deployed flows, parameters, attachments. The active booster chooses it
by itself; with this command you choose. The present one ends its requests and what it
has in the flow queue first, so no schedule fires twice and no step runs twice.

With --wait the command returns when the server is the lead. --gone says that the
process of the present lead server has surely ended, although its agent does not
answer, as after its machine was switched off: then its lease is not waited for. If it
still runs, schedules fire twice.`,
		Args: exactly(1, "a server's name, as `booster omflow status` shows it"),
		RunE: run(func(cmd *cobra.Command, args []string, out io.Writer) error {
			wait, _ := cmd.Flags().GetBool("wait")
			timeout, _ := cmd.Flags().GetDuration("timeout")
			gone, _ := cmd.Flags().GetBool("gone")
			return setLead(cmd, args[0], gone, wait, timeout, out)
		}),
	}
	addressFlag(cmd)
	cmd.Flags().Bool("wait", false, "Wait until it has come about")
	cmd.Flags().Duration("timeout", 5*time.Minute, "How long to wait")
	cmd.Flags().Bool("gone", false, "The present lead server's process has surely ended")
	return cmd
}

func setLead(cmd *cobra.Command, server string, gone, wait bool, timeout time.Duration, out io.Writer) error {
	path := adminBase + "servers/" + url.PathEscape(server) + "/lead"
	if gone {
		path += "?gone=true"
	}
	var lead LeadStatus
	if err := adminCall(cmd, http.MethodPost, path, &lead); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	for done := false; wait && !done; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not the lead server after the time to wait: %s", server, lead.sentence())
		case <-time.After(200 * time.Millisecond):
		}
		var s Status
		if err := adminCall(cmd, http.MethodGet, adminBase+"status", &s); err != nil {
			return err
		}
		done = slices.ContainsFunc(s.Servers, func(s ServerStatus) bool {
			return s.Name == server && s.Lead && s.State == "up"
		})
		switch {
		case s.Lead != nil:
			lead = *s.Lead
			done = done && lead.Server == server && lead.State == leadRuns
		case done: // only the active booster tells of more
			lead = LeadStatus{Server: server, State: leadRuns}
		}
	}
	_, err := fmt.Fprintln(out, lead.sentence())
	return err
}

// guardCommand runs a guard process; agents start it.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "guard",
		Hidden:             true,
		DisableFlagParsing: true,
		Run: func(_ *cobra.Command, args []string) {
			os.Exit(guard.Main(args))
		},
	}
}
