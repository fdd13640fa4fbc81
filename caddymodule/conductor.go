package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/fleet"
	releaseapi "github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/api"
)

// conductor is a booster's part in who is the lead server and in restarts one at a
// time: the coordinator, which works while this booster is the active one, and the
// orders of whichever booster is. It lives as long as the node.
type conductor struct {
	node        *gossip.Node
	log         *slog.Logger
	coordinator *rollout.Coordinator
	releases    *releases
	flows       *flowsFeed
	cancel      context.CancelFunc
	running     sync.WaitGroup
	unsubscribe func()

	mu     sync.Mutex
	orders rollout.Orders
	// starting: nobody has given orders yet.
	starting bool
	// closed: the front door may be without a cluster by now.
	closed  bool
	expire  *time.Timer
	changes sync.Mutex // of the control epoch, by this booster

	active func() (term uint64, active bool)
	turns  *turns // that creates of other boosters have here
	seeker *created.Seeker

	fetching chan struct{} // has a value while it is fetched which server got which ticket

	word activesWord // of a standby

	copying chan struct{} // has a value while tokens are copied
	told    []string      // who knows all tokens that were copied so far; of who copies
}

// newConductor begins to work, with a folder in stateDir. active returns the booster's
// term and whether it is the active one, alone whether it is the only one that is
// configured.
func newConductor(node *gossip.Node, log *slog.Logger, stateDir string, active func() (uint64, bool), alone func() bool) (*conductor, error) {
	// Another booster may have work held for the start of a lead server: it is held
	// here, too, until somebody gives orders, see rollout.Orders.
	c := &conductor{node: node, log: log, orders: rollout.Orders{Hold: true}, starting: true, copying: make(chan struct{}, 1), fetching: make(chan struct{}, 1), active: active, turns: newTurns()}
	c.flows = newFlowsFeed(node.Do, log)
	var err error
	if c.seeker, err = c.newSeeker(); err != nil {
		return nil, err
	}
	if c.releases, err = newReleases(node, log, stateDir, active, changing); err != nil {
		return nil, err
	}
	coordinator, err := rollout.New(rollout.Config{
		Active: active, Alone: alone, Order: c.order, ReadJournal: c.readJournal, Claims: c.claims,
		Marks: node.Marks, SetMark: node.SetMark,
		FixedLead: func() string { return fixedLead(omflowFleet()) },
		Strangers: func() bool { return hasStrangers(omflowFleet()) },
		Releases:  c.releases.Releases(),
		Changing:  changing,
		Logger:    log,
	})
	if err != nil {
		return nil, errors.Join(err, c.releases.Close())
	}
	c.coordinator = coordinator
	c.mu.Lock()
	c.expire = time.AfterFunc(rollout.OrderTime, c.expired)
	c.mu.Unlock()
	c.repeat()
	mux := http.NewServeMux()
	mux.Handle("/", api.BoosterHandler(c, gossip.Sender))
	mux.Handle(releaseapi.Prefix, c.releases.handler())
	mux.HandleFunc("POST "+tokensPath, c.serveTokens)
	mux.HandleFunc("POST "+loadsPath, c.serveLoads)
	mux.HandleFunc("POST "+ownersPath, c.serveOwners)
	mux.HandleFunc("POST "+ownersFetchPath, c.serveOwnersFetch)
	mux.HandleFunc("POST "+turnsPath, c.serveTurn)
	mux.HandleFunc("GET "+leadStatusPath, c.serveLeadStatus)
	mux.HandleFunc("POST "+created.SettlePath, c.serveSettle)
	mux.HandleFunc("POST "+created.ReservePath, c.serveReserve)
	mux.HandleFunc("GET "+doctor.SettingsPath, serveSettings(node))
	node.SetHandler(mux)
	c.unsubscribe = node.Subscribe(func(m gossip.Member) {
		if m.Kind == gossip.KindAgent && m.State == gossip.Left {
			coordinator.Forget(m.Name)
		}
		if m.State == gossip.Alive {
			c.releases.Joined()
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.running.Go(func() { coordinator.Run(ctx) })
	c.running.Go(func() { c.releases.Run(ctx) })
	c.running.Go(func() { c.copyTokens(ctx) })
	c.running.Go(func() { c.tellLoads(ctx) })
	c.running.Go(func() { c.followOwners(ctx) })
	c.running.Go(func() { c.flows.run(ctx) })
	return c, nil
}

// close ends the work. What was ordered of other boosters runs out by itself.
func (c *conductor) close() {
	c.node.SetHandler(nil)
	c.unsubscribe()
	c.cancel()
	c.running.Wait()
	c.mu.Lock()
	c.closed = true // what has run out at this moment comes too late
	c.expire.Stop()
	c.mu.Unlock()
	c.turns.close()
	if err := c.releases.Close(); err != nil {
		c.log.Warn("the log of releases could not be closed", "error", err)
	}
}

// omflowFleet returns the servers of OMFLOW's pool, or nil without one.
func omflowFleet() *fleet.Fleet {
	if p := omflowPoolNow(); p != nil {
		return p.fleet
	}
	return nil
}

// fixedLead is the server that the configuration says is the lead, or "".
func fixedLead(f *fleet.Fleet) string {
	if f == nil {
		return ""
	}
	return f.FixedLead()
}

// hasStrangers reports whether servers without an agent may work on the flow queue.
func hasStrangers(f *fleet.Fleet) bool {
	if f == nil {
		return false
	}
	return slices.ContainsFunc(f.Servers(), func(s fleet.Status) bool { return s.Agent == fleet.AgentNone })
}

// Ask implements api.Booster.
func (c *conductor) Ask(ask rollout.Ask) (rollout.Answer, error) {
	c.releases.Saw(ask.Release, ask.ReleaseHash)
	c.flows.saw(time.Now(), ask)
	return c.coordinator.Ask(ask)
}

var (
	errOldTerm = errors.New("a booster of a higher term has given orders")
	errEnding  = errors.New("this booster ends")
)

// Order implements api.Booster: it puts the active booster's orders in force here.
func (c *conductor) Order(from string, o rollout.Orders) (rollout.Doors, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return rollout.Doors{}, errEnding
	case o.Term < c.orders.Term:
		return rollout.Doors{}, fmt.Errorf("booster %s of term %d: %w", from, o.Term, errOldTerm)
	}
	c.orders, c.starting = o, false
	c.expire.Reset(rollout.OrderTime)
	return c.apply(), nil
}

// apply hands the orders to the front door. The caller holds c.mu.
func (c *conductor) apply() rollout.Doors {
	var d rollout.Doors
	f := omflowFleet()
	if f == nil || c.closed {
		return d
	}
	f.SetOut(c.orders.Out)
	f.SetHold(c.orders.Hold)
	d.InFlight, d.Up = make(map[string]int), make(map[string]bool)
	for _, s := range f.Servers() {
		d.InFlight[s.Name], d.Up[s.Name] = s.InFlight, s.Up
	}
	for name := range c.orders.Out {
		d.InFlight[name] = f.InFlight(name) // also of one that has left the table with requests on it
	}
	_, d.Working, _ = f.Held()
	return d
}

// repeat hands the orders to the front door once more, which may have a pool since that
// was not there when they came.
func (c *conductor) repeat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apply()
}

// expired takes back orders that were not repeated: who gave them is gone.
func (c *conductor) expired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.starting && (c.orders.Hold || len(c.orders.Out) > 0) {
		c.log.Warn("the active booster has not repeated its orders: servers it took out get requests again", "out", slices.Sorted(maps.Keys(c.orders.Out)))
	}
	c.orders, c.starting = rollout.Orders{Term: c.orders.Term}, false
	c.apply()
}

// order gives orders to all boosters that serve. One that is a member but does not
// answer may go on serving as before, so that is an error.
func (c *conductor) order(ctx context.Context, o rollout.Orders) (rollout.Doors, error) {
	all, err := c.Order(c.node.Name(), o)
	if err != nil {
		return rollout.Doors{}, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	for _, name := range c.others(gossip.KindBooster) {
		wg.Go(func() {
			doors, err := api.Client{Do: c.node.Do}.Order(ctx, name, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			all.Add(doors)
		})
	}
	wg.Wait()
	if o.Hold {
		// What is judged now is judged by all that was noted until the doors were asked.
		errs = append(errs, c.fetchOwners(ctx))
	}
	return all, errors.Join(errs...)
}

// others returns the members of a kind that are reached.
func (c *conductor) others(kind string) []string { return others(c.node, kind) }

func others(node *gossip.Node, kind string) []string {
	var names []string
	for _, m := range node.Members() {
		if m.Kind == kind && !m.Self && m.Reachable() {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}

// readJournal reads the flow queue's journal through an agent that reaches the
// database. It takes longer to find out which tickets are between two steps.
func (c *conductor) readJournal(ctx context.Context, between bool) (read rollout.Reading, err error) {
	const most = 3 // agents that are tried
	up := make(map[string]bool)
	for _, r := range c.node.Reports() {
		up[r.Server] = r.Database == "up"
	}
	tried := 0
	err = rollout.ErrNoJournal
	for _, name := range c.others(gossip.KindAgent) {
		if !up[name] {
			continue
		}
		limit := time.Second
		if end, ok := ctx.Deadline(); ok && between {
			limit = max(limit, time.Until(end)/2)
		}
		actx, cancel := context.WithTimeout(ctx, limit)
		read, err = api.Client{Do: c.node.Do}.Journal(actx, name, between)
		cancel()
		if err == nil {
			return read, nil
		}
		if tried++; tried == most || ctx.Err() != nil {
			break
		}
	}
	return rollout.Reading{}, err
}

// setLead asks for another lead server, here or at the active booster.
func (c *conductor) setLead(ctx context.Context, server string, gone bool) error {
	err := c.coordinator.SetLead(server, gone)
	if !errors.Is(err, rollout.ErrNotActive) {
		return err
	}
	for _, name := range c.others(gossip.KindBooster) {
		err := api.Client{Do: c.node.Do}.SetLead(ctx, name, server, gone)
		if !errors.Is(err, rollout.ErrNotActive) {
			return err
		}
	}
	return err
}

// SetLead implements api.Booster.
func (c *conductor) SetLead(server string, gone bool) error {
	return c.coordinator.SetLead(server, gone)
}

// changed notes that a control change may have been made, for all boosters, and takes
// the servers that have not seen it out at once.
func (c *conductor) changed(f *fleet.Fleet) {
	c.changes.Lock()
	defer c.changes.Unlock()
	key := rollout.EpochKey + c.node.Name()
	last, _ := c.node.Mark(key)
	if err := c.node.SetMark(key, rollout.NextChange(last, time.Now())); err != nil {
		c.log.Error("a control change can't be told to the other nodes: refresh the servers by hand", "error", err)
		return
	}
	f.SetBehind(behind(c.node, leadOf(c.node)))
}

// behind returns the servers that have not seen the newest control change, with the
// reason. lead is the lead server, or "".
func behind(node *gossip.Node, lead string) map[string]string {
	epoch := rollout.EpochOf(node.Marks())
	names := make(map[string]string)
	for _, r := range node.Reports() {
		isLead := r.Lead && (lead == "" || lead == r.Server)
		if r.Managed && !isLead && !rollout.Epoch(r.Control).Covers(epoch) {
			names[r.Server] = "it was started before the newest control change"
		}
	}
	return names
}

// Interface guard
var _ api.Booster = (*conductor)(nil)
