package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage" // validate names it

	"github.com/omflow/booster/internal/doctor"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor --config <file>",
		Short: "Checks that a node can work on this machine",
		Long: `
Reads a node's configuration and looks, without running it, whether the node can work on
this machine: key, ports, the other nodes, clocks, disks and limits and, for an agent,
its OMFLOW Server's Python, settings.py, start command and database; of a new server, what
its agent has fetched of that. It prints a line for
each check, ✓, ✗ or – (not checked, and why), and under each ✗ what to do.

Run it on the node's machine as the user that the service runs as, with the environment
that it gets: before the node is started, or while it runs. Nothing is changed; in the
database a scratch table is made and dropped.

Ends with 0 when no check has failed, with 1 when one has.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError(errors.New("doctor takes no arguments: write the configuration after --config"), cmd)
			}
			if config, _ := cmd.Flags().GetString("config"); config == "" {
				return usageError(errors.New("there is no Caddyfile in this folder: write --config and the node's configuration"), cmd)
			}
			return nil
		},
		RunE: run(func(cmd *cobra.Command, _ []string, out io.Writer) error {
			config, _ := cmd.Flags().GetString("config")
			adapter, _ := cmd.Flags().GetString("adapter")
			python, _ := cmd.Flags().GetString("python")
			asJSON, _ := cmd.Flags().GetBool("json")
			p := examine(config, adapter, python)
			outcomes := doctor.Run(cmd.Context(), p.checks, p.secrets)
			var well bool
			var err error
			if asJSON {
				well, err = doctor.WriteJSON(out, p.node, outcomes)
			} else {
				well, err = doctor.Print(out, p.checks, outcomes)
			}
			if err == nil && !well {
				return errSaid
			}
			return err
		}),
	}
	cmd.Flags().StringP("config", "c", adjacentCaddyfile(), "The node's configuration")
	cmd.Flags().StringP("adapter", "a", "", "How it is written, if not as its name says")
	cmd.Flags().String("python", "", "The Python that runs the OMFLOW Server (default: as configured)")
	cmd.Flags().Bool("json", false, "Print JSON, for programs")
	return cmd
}

// adjacentCaddyfile is what Caddy's own commands read when they are not told what.
func adjacentCaddyfile() string {
	if _, err := os.Stat("Caddyfile"); err != nil {
		return ""
	}
	return "Caddyfile"
}

// patient is a node to be checked.
type patient struct {
	node    doctor.Node
	checks  []doctor.Check
	secrets *doctor.Secrets
}

// examine reads a node's configuration and says what to check. A configuration that
// can't be used is a check that has failed; as much of the node is checked as is known.
func examine(config, adapter, python string) *patient {
	p := &patient{node: doctor.Node{Version: version()}, secrets: new(doctor.Secrets)}
	// Caddy tells of each step: what is meant for the log of a service hides the answer
	// from a person. That an empty configuration can be set up is no news.
	_ = caddy.Validate(&caddy.Config{Logging: quietLogging()})
	text, _, _, err := caddycmd.LoadConfig(config, adapter)
	if err != nil {
		p.configuration(err)
		return p
	}
	var parts struct {
		Admin *caddy.AdminConfig `json:"admin"`
		Apps  struct {
			OMFLOW json.RawMessage `json:"omflow"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		p.configuration(fmt.Errorf("read the configuration: %w", err))
		return p
	}
	p.configuration(validate(text))
	if parts.Apps.OMFLOW == nil {
		p.lone()
		return p
	}
	app := new(App)
	if err := json.Unmarshal(parts.Apps.OMFLOW, app); err != nil {
		return p // the first check has told
	}
	p.cluster(app, parts.Admin, python)
	return p
}

// configuration adds the check of the configuration itself.
func (p *patient) configuration(err error) {
	r := doctor.Result{State: doctor.OK, Detail: "it is valid"}
	if err != nil {
		r = doctor.Result{State: doctor.Failed, Detail: err.Error(), Advice: "put it right; `booster validate` says the same"}
	}
	p.checks = append(p.checks, doctor.Known("configuration", r))
}

// quietLogging lets only errors through, to standard error.
func quietLogging() *caddy.Logging {
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{Level: "ERROR"}}}}
}

// validate does what `booster validate` does: everything is set up and nothing started.
// What is logged meanwhile is left out, unless the configuration says where to. What Caddy
// keeps, such as an authority of its own, goes to a folder that is removed: who runs the
// check need not have the service's environment, which says where that is.
func validate(text []byte) error {
	var cfg *caddy.Config
	if err := caddy.StrictUnmarshalJSON(caddy.RemoveMetaFields(text), &cfg); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if cfg == nil {
		return errors.New("the configuration is empty")
	}
	if cfg.Logging == nil {
		cfg.Logging = quietLogging()
	} else if log := cfg.Logging.Logs[caddy.DefaultLoggerName]; log != nil && log.WriterRaw == nil {
		log.Level = "ERROR"
	}
	if cfg.StorageRaw == nil {
		dir, err := os.MkdirTemp("", "omflow-doctor-*")
		if err != nil {
			return fmt.Errorf("make a folder for the check: %w", err)
		}
		defer os.RemoveAll(dir)
		if cfg.StorageRaw, err = json.Marshal(map[string]string{"module": "file_system", "root": dir}); err != nil {
			return fmt.Errorf("name a folder for the check: %w", err)
		}
	}
	return caddy.Validate(cfg)
}
