package caddymodule

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func failoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Has the two boosters change places",
		Long: `
The standby becomes the active booster, and the active one the standby. It may be asked
of either, and returns when it is done: first the active one has its clients' connections
end, and requests in flight, which takes some seconds and 30 s at most. A primary that has
handed over so does not take its place back by itself before it is restarted.`,
		Args: exactly(0, "no arguments"),
		RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
			var p PairStatus
			if err := adminCall(cmd, http.MethodPost, adminBase+"failover", &p); err != nil {
				return err
			}
			_, err := fmt.Fprintf(out, "this booster is %s in term %d; %s is the other\n", p.State, p.Term, p.Peer)
			return err
		}),
	}
	addressFlag(cmd)
	return cmd
}
