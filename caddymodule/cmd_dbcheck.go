package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/settings"
)

func dbCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "db-check <url> | --settings <settings.py>",
		Short: "Checks that a database can be OMFLOW's",
		Long: `
Reaches the database, signs in, and does with a table of its own what OMFLOW does:
creates it, writes, reads, changes, deletes, alters, indexes, and drops it again. Each
step is timed. When one fails, it says what is missing, and the statement that an
administrator grants it with.

The database is given by a URL that begins with postgres://, mysql://, sqlserver:// or
oracle://, or by an OMFLOW Server's settings.py, which --python reads. A URL on the
command line is seen by others on this machine: write "-" to have it read from standard
input. No password is ever printed.`,
		Args: func(cmd *cobra.Command, args []string) error {
			file, _ := cmd.Flags().GetString("settings")
			if (len(args) == 1) == (file != "") || len(args) > 1 {
				return usageError(errors.New("db-check takes a URL, or --settings and a settings.py"), cmd)
			}
			return nil
		},
		RunE: run(func(cmd *cobra.Command, args []string, out io.Writer) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			timeout, _ := cmd.Flags().GetDuration("timeout")
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			target, err := dbTarget(ctx, cmd, args)
			if err != nil {
				return err
			}
			db, err := database.Open(target)
			if err != nil {
				return err
			}
			defer db.Close()
			report := db.Check(ctx)
			if asJSON {
				err = json.NewEncoder(out).Encode(dbReport(report))
			} else {
				err = printCheck(out, report)
			}
			if err == nil && report.Failed() != nil {
				return errSaid
			}
			return err
		}),
	}
	cmd.Flags().String("settings", "", "An OMFLOW Server's settings.py")
	cmd.Flags().String("python", "python3", "The Python that runs the OMFLOW Server")
	cmd.Flags().Bool("json", false, "Print JSON, for programs")
	cmd.Flags().Duration("timeout", time.Minute, "How long the check may take")
	return cmd
}

// dbTarget finds out which database is meant.
func dbTarget(ctx context.Context, cmd *cobra.Command, args []string) (database.Target, error) {
	file, _ := cmd.Flags().GetString("settings")
	if file == "" {
		url := args[0]
		if url == "-" {
			text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<10))
			if err != nil {
				return database.Target{}, fmt.Errorf("read the URL from standard input: %w", err)
			}
			url = strings.TrimSpace(string(text))
		}
		return database.ParseURL(url)
	}
	python, _ := cmd.Flags().GetString("python")
	read, err := settings.Read(ctx, settings.Config{
		File: file, Python: settings.AsOwner(python, file),
		Env: settings.Environ(),
	})
	if err != nil {
		return database.Target{}, err
	}
	return read.Database()
}

// printCheck writes one line for each step.
func printCheck(out io.Writer, r database.Report) error {
	var page strings.Builder
	fmt.Fprintf(&page, "%s\n", r.Target)
	if r.Version != "" {
		fmt.Fprintf(&page, "version %s\n", r.Version)
	}
	page.WriteString("\n")
	for _, s := range r.Steps {
		mark := "✓"
		if s.Err != nil {
			mark = "✗"
		}
		fmt.Fprintf(&page, "%s %-12s %8.1f ms\n", mark, s.Name, float64(s.Took)/float64(time.Millisecond))
		if s.Err == nil {
			continue
		}
		fmt.Fprintf(&page, "  %v\n", s.Err)
		if s.Missing != "" {
			fmt.Fprintf(&page, "  missing: %s\n", s.Missing)
		}
		if s.Grant != "" {
			fmt.Fprintf(&page, "  have an administrator run:\n    %s\n", strings.ReplaceAll(s.Grant, "\n", "\n    "))
		}
		if s.GrantAll != "" {
			fmt.Fprintf(&page, "  or, for all that OMFLOW needs at once:\n    %s\n", s.GrantAll)
		}
	}
	if r.Left != "" {
		fmt.Fprintf(&page, "\nThe table %s could not be dropped and is still there.\n", r.Left)
	}
	_, err := io.WriteString(out, page.String())
	return err
}

// dbStep is a step as JSON.
type dbStep struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	MS      float64 `json:"ms"`
	Error   string  `json:"error,omitempty"`
	Missing string  `json:"missing,omitempty"`
	Grant   string  `json:"grant,omitempty"`
	// GrantAll gives all rights at once, if Grant does not.
	GrantAll string `json:"grant_all,omitempty"`
}

// dbReport is a report as JSON.
func dbReport(r database.Report) any {
	out := struct {
		Target  string   `json:"target"`
		Version string   `json:"version,omitempty"`
		OK      bool     `json:"ok"`
		Steps   []dbStep `json:"steps"`
		Left    string   `json:"left,omitempty"`
	}{Target: r.Target, Version: r.Version, OK: r.Failed() == nil, Left: r.Left}
	for _, s := range r.Steps {
		step := dbStep{Name: string(s.Name), OK: s.Err == nil, MS: float64(s.Took) / float64(time.Millisecond), Missing: s.Missing, Grant: s.Grant, GrantAll: s.GrantAll}
		if s.Err != nil {
			step.Error = s.Err.Error()
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}
