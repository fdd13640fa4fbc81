package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/trust"
)

const (
	// arriveAgain is between two attempts of a new server to find what it needs.
	arriveAgain = 2 * time.Second
	// joinTime is how long it may know no other server, as it does at first, before
	// that is told, and joinAgain between two attempts until then.
	joinTime  = 3 * time.Second
	joinAgain = 100 * time.Millisecond
)

// arrivals holds, for each state folder and server name, whose turn it is to bring the
// server into the cluster: in the middle of a reload two configurations want to.
var arrivals = caddy.NewUsagePool()

// turn is taken by who holds the one value.
type turn chan struct{}

// Destruct implements caddy.Destructor.
func (turn) Destruct() error { return nil }

// arrival is a new server's way into the cluster, in a goroutine of its own, until it
// has arrived and is begun like any other.
type arrival struct {
	slave  *Agent
	whole  *Agent // what has arrived; read after done
	node   *gossip.Node
	keys   trust.Keys
	dir    string // the agent's state folder
	name   string
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}

	report gossip.Report // what the boosters are told; without an address not yet
	told   string        // the last reason
}

// startSlave starts a server that takes its options from the cluster: at once when they
// are known, so that a reload finds it running, else when they have come.
func (a *Agent) startSlave(node *gossip.Node, keys trust.Keys, stateDir, name string) error {
	v := &arrival{
		slave: a, node: node, keys: keys, dir: stateDir, name: name, log: a.log.With("server", name), done: make(chan struct{}),
	}
	record, err := bootstrap.Load(v.serverDir())
	if err != nil && !errors.Is(err, bootstrap.ErrDamaged) { // with such a one it arrives anew
		return fmt.Errorf("agent %s: %w", name, err)
	}
	if record.Arrived() {
		defer close(v.done)
		v.cancel = func() {}
		a.arrival = v
		return v.begin(record)
	}
	key := stateDir + "\x00" + name
	value, _, err := arrivals.LoadOrNew(key, func() (caddy.Destructor, error) { return make(turn, 1), nil })
	if err != nil {
		return fmt.Errorf("agent %s: %w", name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	a.arrival = v
	go func() {
		defer close(v.done)
		v.run(ctx, value.(turn))
		if _, err := arrivals.Delete(key); err != nil {
			v.log.Error("the server's arrival can't be forgotten", "error", err)
		}
	}()
	return nil
}

// serverDir is the server's own state folder, which its runner uses too.
func (v *arrival) serverDir() string { return filepath.Join(serversDir(v.dir), v.name) }

// end gives the arrival up, and stops the server if it has arrived.
func (v *arrival) end() error {
	v.cancel()
	<-v.done
	if v.whole == nil {
		return nil
	}
	return v.whole.Stop()
}

// run tries until the server has arrived or ctx ends.
func (v *arrival) run(ctx context.Context, mine turn) {
	select {
	case mine <- struct{}{}:
		defer func() { <-mine }()
	case <-ctx.Done():
		return
	}
	v.log.Info("this is a new server: it takes its files, settings and options from the cluster")
	for begun := time.Now(); ; {
		record, err := bootstrap.Arrive(ctx, bootstrap.Config{
			Client:   bootstrap.Client{Do: v.node.Do, Agents: nodePeers{member{v.node}}.Agents},
			StateDir: v.serverDir(), Plan: v.plan, Logger: v.log,
		})
		if err == nil {
			err = v.begin(record)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		pause := joinAgain
		if !errors.Is(err, bootstrap.ErrAlone) || time.Since(begun) > joinTime {
			pause = arriveAgain
			v.tell(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// plan makes this machine's own of another server's options.
func (v *arrival) plan(o bootstrap.Origin) (bootstrap.Plan, error) {
	from := bootstrap.Place{Name: o.Name, Home: o.Home, Server: o.Server}
	w, to, err := v.slave.whole(v.name, v.node.Addr(), from, o.Options)
	if w != nil {
		v.report = gossip.Report{Server: v.name, Address: to.Server, Capacity: w.Capacity, Weight: w.Weight, State: gossip.ServerStarting, Managed: true}
	}
	if err != nil {
		return bootstrap.Plan{}, err
	}
	options, err := json.Marshal(w)
	if err != nil {
		return bootstrap.Plan{}, fmt.Errorf("write down the options: %w", err)
	}
	plan := bootstrap.Plan{Place: to, Python: w.Python, Run: w.Run, Options: options}
	if w.Replicate == "" {
		plan.Beside = []string{defaultReplicate} // it is on storage that all servers share
	}
	return plan, nil
}

// begin starts the server that has arrived.
func (v *arrival) begin(record bootstrap.Record) error {
	if home := v.slave.Home; home != "" && home != record.Home {
		return fmt.Errorf("agent: this server has arrived in %s, and home is %s now: write the former, or move the folder's server away with its state folder %s",
			record.Home, home, v.serverDir())
	}
	from := bootstrap.Place{Name: v.name, Home: record.Home, Server: record.Server}
	w, _, err := v.slave.whole(v.name, v.node.Addr(), from, record.Options)
	if err == nil {
		err = w.checkHome()
	}
	if err != nil {
		return err
	}
	s := w.settings(member{v.node}, v.name)
	s.keys, s.slave = v.keys, true
	if err := w.start(v.dir, v.name, s); err != nil {
		return err
	}
	v.whole = w
	return nil
}

// tell says why the server has not arrived yet, once for each reason, and to the
// boosters when they can be told where it will be.
func (v *arrival) tell(err error) {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if text == v.told {
		return
	}
	v.told = text
	v.log.Warn("the new server waits", "error", text)
	if v.report.Address == "" {
		return
	}
	v.report.Reason = bound("it has not arrived yet: " + text)
	if err := v.node.SetReport(v.report); err != nil {
		v.log.Error("report to the boosters", "error", err)
	}
}
