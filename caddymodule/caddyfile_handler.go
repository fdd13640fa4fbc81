package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/profile"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("omflow_booster", parseHandler)
	httpcaddyfile.RegisterDirectiveOrder("omflow_booster", httpcaddyfile.Before, "reverse_proxy")
}

var (
	handlerOptions = []string{
		"server", "health", "policy", "lane", "profile", "queue", "sticky", "retry", "max_body", "dial_timeout",
		"response_timeout", "header_up", "header_down", "control_settle", "consistency",
		"repairs_off",
	}
	handlerRepeat = []string{"server", "lane", "header_up", "header_down"}
)

func parseHandler(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	block := *h.Dispenser
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	block.Next() // for the line of mistakes that are the block's
	app, inCluster := h.Option("omflow").(httpcaddyfile.App)
	if err := handler.check(); err != nil {
		return nil, block.WrapErr(err)
	}
	if err := handler.checkServers(inCluster); err != nil {
		return nil, block.WrapErr(err)
	}
	var node App
	if inCluster {
		if err := json.Unmarshal(app.Value, &node); err != nil {
			return nil, block.WrapErr(err)
		}
	}
	if node.AgentRaw != nil {
		return nil, block.WrapErr(errAgentsFrontDoor)
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler:
//
//	omflow_booster [<matcher>] {
//		server <host:port> [name=<name>] [capacity=<n>] [weight=<n>] [lead] [backup]
//		health {
//			...
//		}
//		policy  least_load|round_robin|random_choose|first
//		lane    session|flow|control|file|static <path>...
//		profile omflow|none|<file>
//		repairs_off <repair>...
//		queue   <length> [<wait>]
//		sticky {
//			cookie   <name>
//			idle     <duration>
//			max_age  <duration>
//			on_drain <duration>
//		}
//		retry {
//			attempts <n>
//			budget   <percent>
//		}
//		max_body         <size>
//		dial_timeout     <duration>
//		response_timeout <duration>
//		control_settle   <duration>
//		consistency      strict|eventual
//		header_up        [+|-]<field> [<value|regexp> [<replacement>]]
//		header_down      [+|-]<field> [<value|regexp> [<replacement>]]
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume "omflow_booster"
	if err := caddyconf.NoMore(d, "omflow_booster"); err != nil {
		return err
	}
	return caddyconf.Options(d, "omflow_booster", handlerOptions, handlerRepeat, func(option string) error {
		switch option {
		case "server":
			return h.unmarshalServer(d)
		case "health":
			h.Health = new(caddyconf.Health)
			return h.Health.UnmarshalCaddyfile(d)
		case "policy":
			if err := caddyconf.Word(d, &h.Policy); err != nil {
				return err
			}
			if _, err := balance.ParsePolicy(h.Policy); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "lane":
			return h.unmarshalLane(d)
		case "profile":
			if err := caddyconf.Word(d, &h.Profile); err != nil {
				return err
			}
			if _, err := h.readProfile(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "repairs_off":
			if h.RepairsOff = d.RemainingArgs(); len(h.RepairsOff) == 0 {
				return d.Errf("repairs_off needs one or more of %s", strings.Join(repairNames(), ", "))
			}
			if err := switchOff(new(profile.Profile), h.RepairsOff); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "queue":
			return h.unmarshalQueue(d)
		case "sticky":
			return h.unmarshalSticky(d)
		case "retry":
			return h.unmarshalRetry(d)
		case "max_body":
			return size(d, &h.MaxBody)
		case "dial_timeout":
			return caddyconf.Duration(d, &h.DialTimeout)
		case "response_timeout":
			return caddyconf.Duration(d, &h.ResponseTimeout)
		case "control_settle":
			return caddyconf.Duration(d, &h.ControlSettle)
		case "consistency":
			if err := caddyconf.Word(d, &h.Consistency); err != nil {
				return err
			}
			if _, err := fleet.ParseConsistency(h.Consistency); err != nil {
				return d.WrapErr(err)
			}
			return nil
		default:
			return h.unmarshalHeader(d, option)
		}
	})
}

func (h *Handler) unmarshalServer(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("server needs an address, as in `server 10.0.0.21:8000`")
	}
	s := Server{Address: args[0]}
	if err := caddyconf.CheckAddress(s.Address); err != nil {
		return d.WrapErr(fmt.Errorf("server %q: %w", s.Address, err))
	}
	given := make(map[string]bool)
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		if given[key] {
			return d.Errf("server %s: %s is given twice", s.Address, key)
		}
		given[key] = true
		var err error
		switch key {
		case "name":
			if s.Name = value; value == "" {
				err = d.Err("name= needs a name")
			}
		case "capacity":
			err = caddyconf.ParseNumber(d, "capacity", value, &s.Capacity, balance.MaxCapacity)
		case "weight":
			err = caddyconf.ParseNumber(d, "weight", value, &s.Weight, balance.MaxWeight)
		case "backup":
			if s.Backup = true; arg != key {
				err = d.Errf("%s: write backup alone", arg)
			}
		case "lead":
			if s.Lead = true; arg != key {
				err = d.Errf("%s: write lead alone", arg)
			}
		default:
			err = d.Errf("unknown option %q after server: write name=, capacity=, weight=, lead or backup", arg)
		}
		if err != nil {
			return err
		}
	}
	if err := cmp.Or(s.check(), s.clashes(h.Servers)); err != nil {
		return d.WrapErr(err)
	}
	h.Servers = append(h.Servers, s)
	return nil
}

func (s Server) name() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Address
}

func (h *Handler) unmarshalLane(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("lane needs a lane and paths, as in `lane flow /api/bulk/*`")
	}
	lane := Lane{Lane: args[0], Paths: args[1:]}
	if err := lane.addTo(omflow.DefaultTable()); err != nil {
		return d.WrapErr(err)
	}
	h.Lanes = append(h.Lanes, lane)
	return nil
}

func (h *Handler) unmarshalQueue(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 {
		return d.Err("queue takes a length and a time to wait, as in `queue 4096 30s`")
	}
	h.Queue = new(Queue)
	if err := caddyconf.ParseNumber(d, "queue", args[0], &h.Queue.Length, maxQueue); err != nil {
		return err
	}
	if len(args) == 2 {
		return caddyconf.ParseDuration(d, "queue", args[1], &h.Queue.Wait)
	}
	return nil
}

func (h *Handler) unmarshalSticky(d *caddyfile.Dispenser) error {
	if err := caddyconf.NoMore(d, "sticky"); err != nil {
		return err
	}
	s := new(Sticky)
	h.Sticky = s
	known := []string{"cookie", "idle", "max_age", "on_drain"}
	return caddyconf.Options(d, "sticky", known, nil, func(option string) error {
		switch option {
		case "cookie":
			return caddyconf.Word(d, &s.Cookie)
		case "idle":
			return caddyconf.Duration(d, &s.Idle)
		case "max_age":
			return caddyconf.Duration(d, &s.MaxAge)
		default:
			var word string
			if err := caddyconf.Word(d, &word); err != nil {
				return err
			}
			grace, err := caddy.ParseDuration(word)
			if err != nil || grace < 0 {
				return d.Errf("on_drain %q: write a duration such as 0s or 60s", word)
			}
			value := caddy.Duration(grace)
			s.OnDrain = &value
			return nil
		}
	})
}

func (h *Handler) unmarshalRetry(d *caddyfile.Dispenser) error {
	if err := caddyconf.NoMore(d, "retry"); err != nil {
		return err
	}
	r := new(Retry)
	h.Retry = r
	return caddyconf.Options(d, "retry", []string{"attempts", "budget"}, nil, func(option string) error {
		if option == "attempts" {
			return caddyconf.Number(d, &r.Attempts, maxAttempts)
		}
		var word string
		if err := caddyconf.Word(d, &word); err != nil {
			return err
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(word, "%"), 64)
		if err != nil || !(share >= 0 && share <= 100) {
			return d.Errf("budget %q: write a share from 0%% to 100%%, as in `budget 20%%`", word)
		}
		r.BudgetPercent = &share
		return nil
	})
}

func size(d *caddyfile.Dispenser, to *int64) error {
	option := d.Val()
	var word string
	if err := caddyconf.Word(d, &word); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(word)
	if err != nil || n == 0 || n > 1<<50 {
		return d.Errf("%s %q: write a size such as 64MB", option, word)
	}
	*to = int64(n)
	return nil
}

func (h *Handler) unmarshalHeader(d *caddyfile.Dispenser, option string) error {
	if h.Headers == nil {
		h.Headers = new(headers.Handler)
	}
	var ops *headers.HeaderOps
	if option == "header_up" {
		if h.Headers.Request == nil {
			h.Headers.Request = new(headers.HeaderOps)
		}
		ops = h.Headers.Request
	} else {
		if h.Headers.Response == nil {
			h.Headers.Response = &headers.RespHeaderOps{HeaderOps: new(headers.HeaderOps)}
		}
		ops = h.Headers.Response.HeaderOps
	}
	args := d.RemainingArgs()
	var value string
	var replacement *string
	switch len(args) {
	case 1:
	case 2:
		value = args[1]
	case 3:
		value, replacement = args[1], &args[2]
	default:
		return d.Errf("%s takes a field and a value, as in `%s X-Robots-Tag none`", option, option)
	}
	if err := headers.CaddyfileHeaderOp(ops, args[0], value, replacement); err != nil {
		return d.WrapErr(fmt.Errorf("%s: %w", option, err))
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
