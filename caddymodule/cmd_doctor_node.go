package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/gossip/ping"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/trust"
)

// kindDoctor is what a check says it is when it calls on a node.
const kindDoctor = "doctor"

// lone adds what there is to check of a front door without a cluster.
func (p *patient) lone() {
	p.node.Kind = gossip.KindBooster
	p.checks = append(p.checks,
		doctor.Known("cluster", doctor.Result{State: doctor.Skipped, Detail: "the configuration has no global omflow block: this booster works alone, on the servers it names"}))
	p.checks = append(p.checks, doctor.Machine{Booster: true, Alone: true, StateDir: defaultStateDir()}.Checks()...)
}

func defaultStateDir() string { return filepath.Join(caddy.AppDataDir(), "omflow") }

// cluster adds the checks of a node. app was read and not provisioned.
func (p *patient) cluster(app *App, admin *caddy.AdminConfig, python string) {
	if host, err := os.Hostname(); app.Name == "" && err == nil {
		app.Name = host
	}
	app.Listen = cmp.Or(app.Listen, defaultListen)
	app.StateDir = cmp.Or(app.StateDir, defaultStateDir())
	var a *agentParts
	p.node.Name, p.node.Kind = app.Name, gossip.KindBooster
	if app.AgentRaw != nil {
		p.node.Kind = gossip.KindAgent
		a = readAgent(app.AgentRaw, filepath.Join(app.StateDir, "servers", app.Name), python, p.secrets)
	}
	peers := doctor.Peers{Listen: app.Listen}
	for _, address := range app.Join {
		peers.Join = append(peers.Join, doctor.WithPort(address, gossip.DefaultPort))
	}
	join := peers.Join
	if a != nil && len(join) == 0 {
		peers.Join, peers.From, peers.Missing = a.join(context.Background())
	}
	addresses := append([]string{app.Listen}, peers.Join...)
	if app.Advertise != "" {
		addresses = append(addresses, app.Advertise)
	}
	self := trust.Peer{Name: p.node.Name, Kind: p.node.Kind}

	key := doctor.Key{Written: len(app.Key), Secrets: filled(app.Key), Addresses: addresses}
	p.secrets.Add(key.Secrets...)
	visits := newVisits(app, key.Secrets, peers.Join)
	peers.Self, peers.Visit, peers.Own, peers.Ping = self, visits.peer, visits.own, visits.ping
	p.add(
		key.Checks(),
		doctor.Ports{Listen: app.Listen, Self: self, Visit: visits.own}.Checks(),
		peers.Checks(),
		doctor.Cluster{Version: version(), View: view(app.Name, admin)}.Checks(),
		doctor.Machine{StateDir: app.StateDir, Home: a.home(), Booster: a == nil, Alone: trust.AllLoopback(addresses...)}.Checks(),
	)
	if b := app.Booster; b != nil && b.VirtualIP != "" {
		p.add(doctor.VirtualIP{Address: b.VirtualIP, Interface: b.Interface}.Checks())
	}
	if a != nil {
		p.add(a.checks(doctor.Server{Join: join, Label: visits.label, Others: visits.others(app.Name, peers.Join)}, p.secrets))
	}
}

func (p *patient) add(groups ...[]doctor.Check) {
	for _, checks := range groups {
		p.checks = append(p.checks, checks...)
	}
}

// filled fills in the placeholders of keys, and leaves out those that are empty then.
func filled(keys []string) (secrets []string) {
	repl := caddy.NewReplacer()
	for _, key := range keys {
		if key = repl.ReplaceKnown(key, ""); key != "" {
			secrets = append(secrets, key)
		}
	}
	return secrets
}

// visits are the calls on nodes, each made once.
type visits struct {
	own   func(context.Context) doctor.Visit
	peers map[string]func(context.Context) doctor.Visit
	ping  func(ctx context.Context, to netip.AddrPort, node string) (time.Duration, error)
	// label is what nodes tell of a secret key; nil with keys that are not well.
	label func(settings.Settings) string
}

// newVisits prepares calls on the node itself and on those it joins. With keys that are
// not well a call gets no further than the connection.
func newVisits(app *App, secrets, join []string) *visits {
	v := &doctor.Visitor{}
	keys, err := trust.Parse(secrets)
	if len(app.Key) == 0 {
		keys, err = trust.Loopback(), nil
	}
	if err == nil {
		// A name that no node can have is told by the first check.
		v.Identity, _ = trust.NewIdentity(trust.Config{Self: trust.Peer{Name: app.Name, Kind: kindDoctor}, Keys: keys})
	}
	to := func(address string) func(context.Context) doctor.Visit {
		return doctor.Shared(func(ctx context.Context) doctor.Visit { return v.Visit(ctx, address) })
	}
	all := &visits{own: to(doctor.LocalAddress(app.Listen)), peers: make(map[string]func(context.Context) doctor.Visit)}
	all.ping = ping.Config{Keys: keys}.Ping
	if err == nil {
		all.label = func(s settings.Settings) string { return alike.Label(keys, s) }
	}
	for _, address := range join {
		all.peers[address] = to(address)
	}
	return all
}

func (v *visits) peer(ctx context.Context, address string) doctor.Visit { return v.peers[address](ctx) }

// others has the boosters tell of the servers but the one of that name.
func (v *visits) others(name string, boosters []string) func(context.Context) (map[string]alike.Facts, bool) {
	return func(ctx context.Context) (map[string]alike.Facts, bool) {
		all, told := make(map[string]alike.Facts), false
		for _, address := range boosters {
			if visit := v.peer(ctx, address); visit.Settings != nil {
				told = true
				maps.Copy(all, visit.Settings.Servers)
			}
		}
		delete(all, name)
		return all, told
	}
}

// view asks the admin API of the node of that name, if it runs here.
func view(name string, admin *caddy.AdminConfig) func(context.Context) (doctor.View, error) {
	type answer struct {
		view doctor.View
		err  error
	}
	once := doctor.Shared(func(context.Context) answer {
		v, err := askView(name, admin)
		return answer{v, err}
	})
	return func(ctx context.Context) (doctor.View, error) {
		a := once(ctx)
		return a.view, a.err
	}
}

func askView(name string, admin *caddy.AdminConfig) (doctor.View, error) {
	address := caddy.DefaultAdminListen
	switch {
	case admin != nil && admin.Disabled:
		return doctor.View{}, errors.New("only a running node knows, and this one has no admin API (`admin off`): see the other nodes' check")
	case admin != nil && admin.Listen != "":
		address = caddy.NewReplacer().ReplaceKnown(admin.Listen, "")
	}
	resp, err := caddycmd.AdminAPIRequest(address, http.MethodGet, adminBase+"status", nil, nil)
	if err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err // without the request that a person has not made
		}
		return doctor.View{}, fmt.Errorf("only a running node knows, and none answers at the admin API: %w", err)
	}
	defer resp.Body.Close()
	var s Status
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&s); err != nil {
		return doctor.View{}, fmt.Errorf("read the node's status: %w", err)
	}
	if s.Node != name {
		return doctor.View{}, fmt.Errorf("only a running node knows, and the admin API at %s is of node %q", address, s.Node)
	}
	v := doctor.View{Problems: s.Problems}
	for _, m := range s.Members {
		if m.State == string(gossip.Left) {
			continue
		}
		reachable := m.State == string(gossip.Alive) || m.State == string(gossip.Suspect)
		v.Members = append(v.Members, doctor.Member{Name: m.Name, Version: m.Version, Reachable: reachable})
	}
	return v, nil
}
