package caddymodule

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/pair/vip"
	"github.com/omflow/booster/internal/trust"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("omflow", parseApp)
}

var (
	appOptions     = []string{"name", "listen", "advertise", "key", "join", "state_dir", "booster", "agent"}
	boosterOptions = []string{"role", "virtual_ip", "failover_after", "preempt"}
)

// parseApp reads the global omflow block.
//
//	omflow {
//		name      <node>
//		listen    <host:port>
//		advertise <host:port>
//		key       <secret> [<older secret>...]
//		join      <host:port>...
//		state_dir <folder>
//		booster {
//			role           primary|secondary
//			virtual_ip     <cidr> <interface>
//			failover_after <duration>
//			preempt        <duration>|off
//		}
//		agent {
//			...
//		}
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // for its line
		return nil, d.Err("omflow is given twice: a process is one node")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "omflow", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the node; see parseApp for the syntax.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume "omflow"
	block := *d
	if err := caddyconf.NoMore(d, "omflow"); err != nil {
		return err
	}
	err := caddyconf.Options(d, "omflow", appOptions, nil, func(option string) error {
		switch option {
		case "name":
			return a.unmarshalAddress(d, &a.Name)
		case "listen":
			if err := a.unmarshalAddress(d, &a.Listen); err != nil {
				return err
			}
			noteWritten(d, a.Listen)
			return nil
		case "advertise":
			return a.unmarshalAddress(d, &a.Advertise)
		case "state_dir":
			return caddyconf.Word(d, &a.StateDir)
		case "key":
			return a.unmarshalKey(d)
		case "join":
			if a.Join = d.RemainingArgs(); len(a.Join) == 0 {
				return d.Err("join needs the boosters' addresses, primary first, as in `join 10.0.0.11:5169 10.0.0.12:5169`")
			}
			return a.checkNode(d)
		case "booster":
			return a.unmarshalBooster(d)
		default:
			return a.unmarshalAgent(d)
		}
	})
	if err != nil {
		return err
	}
	if a.Listen == "" {
		noteWritten(&block, defaultListen)
	}
	if len(a.Key) == 0 {
		if err := a.keyMissing(); err != nil {
			return block.WrapErr(err)
		}
	}
	if err := a.roleMissing(); err != nil {
		return block.WrapErr(err)
	}
	return nil
}

// unmarshalAddress reads one word of what the node is in the cluster.
func (a *App) unmarshalAddress(d *caddyfile.Dispenser, to *string) error {
	if err := caddyconf.Word(d, to); err != nil {
		return err
	}
	return a.checkNode(d)
}

// checkNode holds what was read so far against the node's own rules, so that a
// mistake is told with its line.
func (a *App) checkNode(d *caddyfile.Dispenser) error {
	anyKey, err := trust.Parse([]string{trust.Generate()})
	if err != nil {
		return d.WrapErr(err)
	}
	cfg := gossip.Config{
		Name: cmp.Or(a.Name, "node"), Kind: gossip.KindBooster, Listen: a.Listen, Advertise: a.Advertise, Join: a.Join, Keys: anyKey,
	}
	if err := cfg.Validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// unmarshalKey reads the keys. One that is a placeholder is known only later.
func (a *App) unmarshalKey(d *caddyfile.Dispenser) error {
	a.Key = d.RemainingArgs()
	if !slices.ContainsFunc(a.Key, func(key string) bool { return key != "" }) {
		return d.Err("key needs a secret: make one with `booster omflow keygen`")
	}
	if slices.ContainsFunc(a.Key, func(key string) bool { return strings.Contains(key, "{") }) {
		return nil
	}
	if _, err := trust.Parse(slices.DeleteFunc(slices.Clone(a.Key), func(key string) bool { return key == "" })); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (a *App) unmarshalBooster(d *caddyfile.Dispenser) error {
	if a.AgentRaw != nil {
		return d.WrapErr(errTwoKinds)
	}
	if err := caddyconf.NoMore(d, "booster"); err != nil {
		return err
	}
	a.Booster = new(Booster)
	b, block := a.Booster, *d
	err := caddyconf.Options(d, "booster", boosterOptions, nil, func(option string) error {
		switch option {
		case "virtual_ip":
			args := d.RemainingArgs()
			if len(args) != 2 {
				return d.Err("virtual_ip needs an address with the length of its network, and an interface, as in `virtual_ip 10.0.0.10/24 eth0`")
			}
			b.VirtualIP, b.Interface = args[0], args[1]
			if _, err := vip.Parse(b.VirtualIP, b.Interface); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "failover_after":
			if err := caddyconf.Duration(d, &b.FailoverAfter); err != nil {
				return err
			}
			if err := b.checkFailoverAfter(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "preempt":
			return unmarshalPreempt(d, b)
		}
		if err := caddyconf.Word(d, &b.Role); err != nil {
			return err
		}
		if b.Role != rolePrimary && b.Role != roleSecondary {
			return d.Errf("role %q: write primary or secondary", b.Role)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := b.checkRole(); err != nil {
		return block.WrapErr(err)
	}
	return nil
}

func unmarshalPreempt(d *caddyfile.Dispenser, b *Booster) error {
	var word string
	if err := caddyconf.Word(d, &word); err != nil {
		return err
	}
	never := caddy.Duration(-1)
	if b.Preempt = &never; word == "off" {
		return nil
	}
	wait, err := caddy.ParseDuration(word)
	if err != nil || wait <= 0 {
		return d.Errf("preempt %q: write a duration such as 5s, or off", word)
	}
	after := caddy.Duration(wait)
	b.Preempt = &after
	return nil
}

func (a *App) unmarshalAgent(d *caddyfile.Dispenser) error {
	if a.Booster != nil {
		return d.WrapErr(errTwoKinds)
	}
	module, err := caddyfile.UnmarshalModule(d, "omflow.agent")
	if err != nil {
		return err
	}
	text, err := json.Marshal(module)
	if err != nil {
		return d.Errf("agent: %v", err)
	}
	a.AgentRaw = text
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
