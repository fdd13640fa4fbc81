package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// serverAct is something to do with a server.
type serverAct struct {
	name, short, long string
	// done reports whether it has come about.
	done func(s ServerStatus) bool
}

func quiet(s ServerStatus) bool { return s.inFlight() == 0 }

// inFlight counts the requests of both boosters.
func (s ServerStatus) inFlight() int { return s.InFlight + s.InFlightElsewhere }

var serverActs = []serverAct{
	{
		name: "drain", short: "Lets a server end its requests and gives it no new ones",
		long: `
Running requests end as usual; new ones, and the sessions on the server, go to the
others. With --wait the command returns when the last request has ended, at the other
booster too. The mark stays, over restarts of the booster too, until "resume".`,
		done: quiet,
	},
	{
		name: "maintenance", short: "Takes a server out for maintenance",
		long: `
Like drain, for a server that will go away: its health checks may fail without an
alarm. It stays out until "resume".`,
		done: quiet,
	},
	{
		name: "resume", short: "Gives a drained server requests again",
		long: `
Ends drain or maintenance. The server starts slowly: in ten seconds from a tenth of
its capacity to all of it. With --wait the command returns when the server is up.`,
		done: func(s ServerStatus) bool { return s.State == "up" },
	},
}

func serverCommand(act serverAct) *cobra.Command {
	cmd := &cobra.Command{
		Use:   act.name + " <server>",
		Short: act.short,
		Long:  act.long,
		Args:  exactly(1, "a server's name, as `booster omflow status` shows it"),
		RunE: run(func(cmd *cobra.Command, args []string, out io.Writer) error {
			wait, _ := cmd.Flags().GetBool("wait")
			timeout, _ := cmd.Flags().GetDuration("timeout")
			return act.do(cmd, args[0], wait, timeout, out)
		}),
	}
	addressFlag(cmd)
	cmd.Flags().Bool("wait", false, "Wait until it has come about")
	cmd.Flags().Duration("timeout", 5*time.Minute, "How long to wait")
	return cmd
}

func (act serverAct) do(cmd *cobra.Command, server string, wait bool, timeout time.Duration, out io.Writer) error {
	var s ServerStatus
	path := adminBase + "servers/" + url.PathEscape(server) + "/" + act.name
	if err := adminCall(cmd, http.MethodPost, path, &s); err != nil {
		return err
	}
	if wait {
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		if err := act.await(ctx, cmd, &s); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%s is %s, %d requests in flight\n", s.Name, s.State, s.inFlight())
	return err
}

// await polls until the act has come about. One quiet look is not enough for a
// drain: a request that had just been given its place may not have been counted, and the
// other booster hears of the mark, and tells of what it has, some tenths of a second later.
func (act serverAct) await(ctx context.Context, cmd *cobra.Command, s *ServerStatus) error {
	const (
		period = 100 * time.Millisecond
		looks  = 5
	)
	name := s.Name
	for done := 0; done < looks; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is %s with %d requests in flight after the time to wait", name, s.State, s.inFlight())
		case <-time.After(period):
		}
		var all []ServerStatus
		if err := adminCall(cmd, http.MethodGet, adminBase+"servers", &all); err != nil {
			return err
		}
		found, well := false, true
		for _, other := range all { // a server may be in several pools
			if other.Name == name && (!found || well) {
				*s, found, well = other, true, act.done(other)
			}
		}
		if !found {
			return fmt.Errorf("server %s has left", name)
		}
		if done++; !well {
			done = 0
		}
	}
	return nil
}

// adminCall calls the admin API and decodes its answer into v.
func adminCall(cmd *cobra.Command, method, path string, v any) error {
	address, err := cmd.Flags().GetString("address")
	if err != nil {
		return err
	}
	resp, err := caddycmd.AdminAPIRequest(address, method, path, nil, nil)
	if err != nil {
		var apiErr struct {
			Error string `json:"error"`
		}
		// Caddy puts the answer's text into the error.
		text := err.Error()
		if i := strings.IndexByte(text, '{'); i >= 0 && json.Unmarshal([]byte(text[i:]), &apiErr) == nil && apiErr.Error != "" {
			return errors.New(apiErr.Error)
		}
		return fmt.Errorf("ask the booster at %s: %w", address, err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(v); err != nil {
		return fmt.Errorf("read the booster's answer: %w", err)
	}
	return nil
}
