package agent

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/omflow/booster/internal/caddyconf"
)

var (
	options = []string{
		"home", "server", "run", "lead_env", "python", "stop_grace", "capacity", "weight", "health", "database", "patch",
		"replicate",
	}
)

// UnmarshalCaddyfile sets up the agent from its block:
//
//	agent {
//		home       <folder>
//		server     <host:port>|:<port>
//		run        <command> <args...>
//		lead_env   <NAME=value>...
//		python     <command>
//		stop_grace <duration>
//		capacity   <n>
//		weight     <n>
//		health {
//			live     <uri>
//			ready    <uri> [<text to expect>]
//			interval <duration>
//			timeout  <duration>
//			fall     <n>
//			rise     <n>
//		}
//		database settings|none|<url> {
//			oracle_exporter <url> [<database>]
//		}
//		patch [<folder>] {
//			include    <glob>...
//			exclude    <glob>...
//			settle     <duration>
//			max_settle <duration>
//			on_change  restart|refresh|none|run <command> <args...>
//			approve    auto|manual
//			keep       <n>
//		}
//		replicate [<folder>]
//	}
//
// Each option may be given once.
func (a *Agent) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume "agent"
	if d.NextArg() {
		return d.Errf("agent takes no arguments, only a block: move %q into it", d.Val())
	}
	err := caddyconf.Options(d, "agent", options, []string{"patch"}, func(option string) error {
		switch option {
		case "home":
			return caddyconf.Word(d, &a.Home)
		case "server":
			return serverAddress(d, &a.Server)
		case "run":
			if a.Run = d.RemainingArgs(); len(a.Run) == 0 {
				return d.Err("run needs a command: write it with its arguments, as in `run gunicorn --workers 1 --threads 8 --bind 0.0.0.0:8000 omflow.wsgi`")
			}
			return nil
		case "lead_env":
			if a.LeadEnv = d.RemainingArgs(); len(a.LeadEnv) == 0 {
				return d.Err("lead_env needs variables, as in `lead_env RUN_MAIN=true`")
			}
			if err := checkEnv(a.LeadEnv); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "python":
			return caddyconf.Word(d, &a.Python)
		case "database":
			return a.unmarshalDatabase(d)
		case "replicate":
			if a.Replicate = defaultReplicate; d.NextArg() {
				a.Replicate = d.Val()
			}
			return caddyconf.NoMore(d, "replicate")
		case "patch":
			if a.Patch != nil {
				return d.Err("an agent has one patch folder, and patch is given twice: patch the folder that both lie in, and leave the rest out with include and exclude")
			}
			a.Patch = new(Patch)
			return a.Patch.UnmarshalCaddyfile(d)
		case "stop_grace":
			return caddyconf.Duration(d, &a.StopGrace)
		case "capacity":
			return caddyconf.Number(d, &a.Capacity, maxCapacity)
		case "weight":
			return caddyconf.Number(d, &a.Weight, maxWeight)
		default:
			a.Health = new(caddyconf.Health)
			return a.Health.UnmarshalCaddyfile(d)
		}
	})
	if err != nil || a.Home == "" {
		return err
	}
	leadEnv := a.LeadEnv
	if leadEnv == nil {
		leadEnv = []string{defaultLeadEnv}
	}
	if err := checkRun(a.Run, leadEnv); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// serverAddress takes the server's address, or its port alone: a new server's.
func serverAddress(d *caddyfile.Dispenser, to *string) error {
	option := d.Val()
	if err := caddyconf.Word(d, to); err != nil {
		return err
	}
	check := *to
	if strings.HasPrefix(check, ":") {
		check = "localhost" + check
	}
	if err := caddyconf.CheckAddress(check); err != nil {
		return d.Errf("%s %q: %v", option, *to, err)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Agent)(nil)
