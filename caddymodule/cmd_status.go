package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Shows servers, queue and members",
		Long: `
Shows the servers with their state and load, what waits in the queue, and the nodes
of the cluster. Ends with 1 when no server takes requests.`,
		Args: exactly(0, "no arguments"),
		RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			watch, _ := cmd.Flags().GetBool("watch")
			if watch {
				return watchStatus(cmd, asJSON, out)
			}
			s, err := printStatus(cmd, asJSON, out)
			if err != nil {
				return err
			}
			if !s.well() {
				return errSaid
			}
			return nil
		}),
	}
	addressFlag(cmd)
	cmd.Flags().Bool("json", false, "Print JSON, for programs")
	cmd.Flags().Bool("watch", false, "Show it again each second until interrupted")
	return cmd
}

// well reports whether requests are served. An agent, which has no servers of its
// own to send to, is well when it answers.
func (s Status) well() bool {
	for _, server := range s.Servers {
		if server.State == "up" {
			return true
		}
	}
	return s.Pair == nil && len(s.Servers) == 0
}

func printStatus(cmd *cobra.Command, asJSON bool, out io.Writer) (Status, error) {
	var s Status
	if err := adminCall(cmd, http.MethodGet, adminBase+"status", &s); err != nil {
		return s, err
	}
	if asJSON {
		return s, json.NewEncoder(out).Encode(s)
	}
	return s, s.print(out)
}

func watchStatus(cmd *cobra.Command, asJSON bool, out io.Writer) error {
	const clear = "\x1b[H\x1b[2J"
	for {
		var page strings.Builder
		_, err := printStatus(cmd, asJSON, &page)
		switch {
		case err != nil && asJSON: // who reads standard output is no person
			fmt.Fprintf(cmd.ErrOrStderr(), "Error: %v\n", err)
		case err != nil:
			fmt.Fprintf(&page, "%s  %v\n", time.Now().Format(time.TimeOnly), err)
		}
		if !asJSON {
			fmt.Fprint(out, clear)
		}
		if _, err := io.WriteString(out, page.String()); err != nil {
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// print writes the status for people.
func (s Status) print(out io.Writer) error {
	var page strings.Builder
	if s.Node != "" {
		fmt.Fprintf(&page, "Node %s, version %s", s.Node, s.Version)
	} else {
		fmt.Fprintf(&page, "Version %s, no cluster", s.Version)
	}
	if p := s.Pair; p != nil {
		fmt.Fprintf(&page, ", %s, %s", p.Role, p.State)
		if p.Term != 0 {
			fmt.Fprintf(&page, " in term %d", p.Term)
		}
		switch {
		case p.VirtualIPHere:
			fmt.Fprintf(&page, ", with %s", p.VirtualIP)
		case p.VirtualIP != "":
			fmt.Fprintf(&page, ", without %s", p.VirtualIP)
		}
		if p.Peer != "" {
			fmt.Fprintf(&page, "; the other booster is %s, %s", p.Peer, p.PeerState)
		}
	}
	page.WriteString("\n")
	for _, problem := range s.Problems {
		fmt.Fprintf(&page, "PROBLEM %s\n", plain(problem))
	}
	page.WriteString("\n")
	t := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	if len(s.Servers) > 0 || s.Pair != nil {
		fmt.Fprintln(t, "SERVER\tADDRESS\tSTATE\tAGENT\tIN FLIGHT\tFLOWS\tWEIGHT\tSESSIONS\tLATENCY\tREASON")
	}
	for _, server := range s.Servers {
		capacity, share := "∞", "-"
		if server.Capacity > 0 {
			capacity, share = fmt.Sprint(server.Capacity), fmt.Sprintf("≤ %.0f", server.FlowShare)
		}
		state := server.State
		if server.Backup {
			state += " (backup)"
		}
		if server.Lead {
			state += " (lead)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d/%s\t%s\t%d\t%d\t%.0f ms\t%s\n", server.Name, server.Address, state, server.Agent,
			server.InFlight, capacity, share, server.Weight, server.Sessions, server.LatencyMS, cmp.Or(plain(server.Reason), "-"))
	}
	if len(s.Servers) == 0 && s.Pair != nil {
		fmt.Fprintln(t, "(none: no agent has reported yet, and the Caddyfile names no server)")
	}
	t.Flush()
	for _, server := range s.Servers {
		for _, off := range server.RepairsOff {
			fmt.Fprintf(&page, "OFF for %s: %s\n", server.Name, off)
		}
	}
	if len(s.Servers) > 0 {
		page.WriteString("\nWaiting:")
		for _, lane := range []string{"session", "flow", "control", "file", "static"} {
			fmt.Fprintf(&page, "  %s %d", lane, s.Queue[lane])
		}
		page.WriteString("\n")
	}
	switch {
	case s.Lead != nil:
		s.Lead.print(&page)
	case s.Pair != nil && s.Pair.State != pairActive:
		s.printLeadUnknown(&page)
	}
	if s.Pauses != nil {
		s.Pauses.print(&page)
	}
	if s.Releases != nil {
		s.Releases.print(&page)
	}
	for _, o := range s.Oracle {
		o.print(&page)
	}
	if len(s.Members) > 0 {
		page.WriteString("\n")
		fmt.Fprintln(t, "MEMBER\tKIND\tADDRESS\tSTATE\tVERSION\tPROBLEM")
		for _, m := range s.Members {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, cmp.Or(m.Kind, "-"), cmp.Or(m.Address, "-"), m.State,
				cmp.Or(plain(m.Version), "-"), cmp.Or(plain(m.Problem), "-"))
		}
		t.Flush()
	}
	_, err := io.WriteString(out, page.String())
	return err
}
