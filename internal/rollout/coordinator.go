package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// ErrNotActive: this booster is not the active one; the other should be asked.
var ErrNotActive = errors.New("this booster is not the active one")

// ErrNoJournal: no agent can read the flow queue's journal.
var ErrNoJournal = errors.New("no agent can read the flow queue's journal")

const (
	// poll is how often the coordinator looks, and asks the boosters while it waits.
	poll = 200 * time.Millisecond
	// gatherTime is how long the first lead of a cluster, or the one after a booster
	// took over, is waited for, so that the best of several can be chosen.
	gatherTime = 2 * time.Second
	// journalTime is how often the journal is read while nothing waits for it.
	journalTime = time.Second
	// orderEvery is how often the boosters are given orders when there is nothing to do.
	orderEvery = time.Second
	// lagTime is how long a server is not made the lead because it lacks files of the
	// replicated folder that others have. Without a lead server there are no schedules,
	// control requests and attachments, so it is not waited for longer.
	lagTime = 30 * time.Second
	// patience is how long a server that is to be the lead stays down for that, when
	// the flow queue does not come to rest. Then it serves as a follower meanwhile.
	patience = 5 * time.Second
	// callTime bounds one call of Order or ReadJournal, and siftTime one that looks for
	// tickets between two steps, so that orders are repeated within OrderTime when both
	// are slow.
	callTime = 2 * time.Second
	siftTime = OrderTime - callTime - 2*poll
	// againTime is between a try that failed and the next.
	againTime = time.Second
	// BlindTime takes the journal's place where nobody can read it: of quick steps,
	// which is all that can be hoped for then.
	BlindTime = 10 * time.Second
)

// Config is what a Coordinator is told.
type Config struct {
	// Active returns this booster's term and whether it is the active one. It is
	// called often and must not block. Required.
	Active func() (term uint64, active bool)
	// Alone reports whether only one booster is configured. Required.
	Alone func() bool
	// Order hands orders to all boosters that serve, this one included, and returns
	// what they say. An error means that one of them may not follow. Required.
	Order func(context.Context, Orders) (Doors, error)
	// ReadJournal reads the flow queue's journal through an agent, and with between which
	// tickets are between two steps. ErrNoJournal when nobody can. Required.
	ReadJournal func(ctx context.Context, between bool) (Reading, error)
	// Claims returns who may be working on each of the rows, as the boosters' requests
	// tell. Default: nobody knows anything.
	Claims func([]Row) [][]owners.Claim
	// Marks returns the cluster's marks, SetMark writes one. Neither may block or
	// call back. Required.
	Marks   func() map[string]string
	SetMark func(key, value string) error
	// FixedLead returns the server that the configuration names as the lead, or "".
	// The coordinator then grants to nobody. Required.
	FixedLead func() string
	// Strangers reports whether there are servers whose processes nobody here knows,
	// which may work on rows of the journal, too. Required.
	Strangers func() bool
	// Releases is the sequence of releases. Default: there are none.
	Releases Releases
	// Changing reports whether a server works on a control request, or did just now, at
	// whichever booster, so that there may be files of it that are in no release yet. It
	// must not block. Default: none ever does.
	Changing func(server string) bool
	// Settle is how long after the last control change the servers are refreshed.
	// Default 3s.
	Settle time.Duration
	// Logger is told what happens. Required.
	Logger *slog.Logger
}

// DefaultSettle is Config.Settle's default.
const DefaultSettle = 3 * time.Second

// Validate refuses what cannot work.
func (c Config) Validate() error {
	if c.Active == nil || c.Order == nil || c.ReadJournal == nil || c.Marks == nil || c.SetMark == nil ||
		c.FixedLead == nil || c.Alone == nil || c.Strangers == nil || c.Logger == nil {
		return errors.New("rollout: a part is missing")
	}
	if c.Settle < 0 {
		return errors.New("rollout: the time to settle is negative")
	}
	return nil
}

// Coordinator leads the servers while its booster is the active one. All methods may
// be called concurrently.
type Coordinator struct {
	cfg  Config
	wake chan struct{}

	mu      sync.Mutex
	active  bool
	term    uint64
	since   time.Time // of being active
	agents  agents
	before  []string // servers that the booster before could have made the lead
	lease   lease
	journal Journal
	between Journal // the tickets between two steps, as last looked for
	blind   error   // why the journal can't be read, or nil
	readAt  time.Time
	looked  bool // the journal was read, or could not be, since this booster is active
	doors   Doors
	doorsAt time.Time // when doors was asked for
	orders  Orders
	changes
	targeted   Target // as last seen, since targetedAt
	targetedAt time.Time
	bad        badRelease
	wanted     string // the lead that an operator asked for, or ""
	// laggard is the server that is not made the lead since lagging because it lacks files
	// of the replicated folder; "" when there is none.
	laggard  string
	lagging  time.Time
	doing    string // for people
	waiting  string // what for, for people
	restarts uint64 // the last order's number
	legacy   legacy
	// staleNames are the servers whose flow queues stand still, the same ones since
	// staleSince: all are waited for that have lost the database at the same time.
	staleNames     string
	staleSince     time.Time
	resumableSince time.Time // see resumes
	// pausesEnded is when the lead server was last restarted for pauses, pausesSince since
	// when there are any that it does not know of.
	pausesEnded, pausesSince time.Time
}

// New returns a Coordinator; Run makes it work.
func New(cfg Config) (*Coordinator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Settle == 0 {
		cfg.Settle = DefaultSettle
	}
	return &Coordinator{cfg: cfg, wake: make(chan struct{}, 1), agents: make(agents)}, nil
}

// SetSettle changes Config.Settle.
func (c *Coordinator) SetSettle(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Settle = d
}

// Forget drops a server whose agent has left the cluster.
func (c *Coordinator) Forget(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.agents[server]; c.lease.holder != server && (a == nil || !a.alive(time.Now())) {
		delete(c.agents, server)
		c.before = slices.DeleteFunc(c.before, func(name string) bool { return name == server })
	}
}

// Ask answers an agent. ErrNotActive says that the other booster is to be asked.
func (c *Coordinator) Ask(ask Ask) (Answer, error) {
	if err := ask.Validate(); err != nil {
		return Answer{}, err
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(now)
	if !c.active || ask.Term > c.term {
		return Answer{}, ErrNotActive
	}
	_, known := c.agents[ask.Server]
	a := c.agents.take(now, ask)
	defer c.poke()
	c.lease.heard(now, a.made, ask, !known, ask.Term == c.term)
	if ask.Server == c.lease.holder && ask.Grant != 0 && ask.Grant == c.lease.grant {
		c.note(now, ask.Witnesses)
	}
	answer := Answer{Term: c.term, Part: Follower, Number: a.answers.give(now), Alone: c.cfg.Alone(), Witnesses: c.lease.witnesses, Restart: a.restart, Fast: a.fast, Settled: c.settled}
	if c.cfg.Releases != nil {
		answer.Head, answer.HeadHash = c.cfg.Releases.Head()
	}
	switch {
	case ask.Candidate && c.cfg.FixedLead() == "" && c.lease.answer(now, ask, &answer):
	case ask.Runs == "" && ask.Candidate && (!c.mayStart(now, ask) || c.catchesUp(now, a)):
		answer.Part = Wait
	}
	if answer.Part == Follower && ask.Runs == "" && a.told.IsZero() {
		a.told = now
	}
	if ask.Runs == "" || answer.Restart != 0 {
		answer.Apply = c.apply(now, a)
	}
	return answer, nil
}

// mayStart reports whether a server without a process may be started as a follower:
// not before the journal was read once, so that what is in it is known to be older,
// and not while it will soon be the lead, unless that takes long.
func (c *Coordinator) mayStart(now time.Time, ask Ask) bool {
	switch {
	case now.Sub(c.since) < gatherTime && !c.looked:
		return false
	case c.cfg.FixedLead() != "":
		return true
	case c.lease.holder == "" && now.Sub(c.since) < gatherTime+time.Second:
		return false // it may become the lead: don't start it twice
	}
	if c.settling(now, c.agents[ask.Server]) {
		return false
	}
	if c.lease.last == ask.Server && now.Sub(c.lease.ended) < time.Second {
		return false // plan will say what comes next
	}
	return c.lease.next != ask.Server || now.Sub(c.lease.nextSince) > patience
}

// look takes note of whether this booster is the active one. The caller holds c.mu.
func (c *Coordinator) look(now time.Time) {
	term, active := c.cfg.Active()
	if active == c.active && term == c.term {
		return
	}
	c.active, c.term, c.since = active, term, now
	if !active {
		return
	}
	c.agents, c.journal, c.between, c.looked, c.readAt, c.legacy = make(agents), Journal{}, Journal{}, false, time.Time{}, legacy{}
	c.orders, c.doors, c.doorsAt, c.wanted = Orders{}, Doors{}, time.Time{}, ""
	c.laggard, c.lagging, c.bad = "", time.Time{}, badRelease{}
	m, _ := decodeMark(c.cfg.Marks()[LeadKey]) // an unreadable one names nobody
	c.before = m.Others
	c.lease = remembered(now, c.cfg.Marks()[LeadKey])
	c.restarts = uint64(max(0, now.UnixMilli())) // above those of another coordinator
	c.begin(now, EpochOf(c.cfg.Marks()), c.head())
}

// poke makes Run look at once.
func (c *Coordinator) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (c *Coordinator) Run(ctx context.Context) {
	for ctx.Err() == nil {
		c.pause(ctx)
		c.mu.Lock()
		c.look(time.Now())
		active := c.active
		c.mu.Unlock()
		if active {
			c.serve(ctx)
		}
	}
}

// pause waits for the next look.
func (c *Coordinator) pause(ctx context.Context) {
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-t.C:
	}
}

// errTermOver ends a round when this booster is not the active one any more.
var errTermOver = errors.New("another booster is the active one")

// serve does what is to be done now, one thing at a time.
func (c *Coordinator) serve(ctx context.Context) {
	c.mu.Lock()
	term := c.term
	c.mu.Unlock()
	if err := c.readJournal(ctx, journalTime); err != nil {
		return
	}
	r := &round{c: c, term: term}
	if c.oldDoors() {
		// Without an answer the servers in question stay what they are; boosters that
		// have just started wait for it, see Orders.
		_ = r.order(ctx)
	}
	what, err := r.next(ctx)
	c.mu.Lock()
	c.doing, c.waiting = "", ""
	c.mu.Unlock()
	r.end(ctx)
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, errTermOver):
		return
	case errors.Is(err, errYield): // it is planned, and no news for people
		c.cfg.Logger.Info(what + " is put off for something that comes first")
	default:
		c.cfg.Logger.Warn(what+" did not go as planned; it is tried again", "error", err)
	}
	sleep(ctx, againTime)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// eligible says for people which servers can be made the lead. The caller holds c.mu.
func (c *Coordinator) eligible(now time.Time) string {
	var names []string
	for name, a := range c.agents {
		if a.alive(now) && a.ask.Candidate {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "no server can be the lead now"
	}
	slices.Sort(names)
	return "the servers that can be the lead are " + strings.Join(names, ", ")
}

// SetLead asks for another lead server. It returns at once; Status tells how it goes.
// With gone, the one who asks knows that the process of the present lead server has
// ended, although its agent does not say so: its lease is not waited for.
func (c *Coordinator) SetLead(server string, gone bool) error {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(now)
	if !c.active {
		return ErrNotActive
	}
	if fixed := c.cfg.FixedLead(); fixed != "" {
		return fmt.Errorf("the configuration names %s as the lead server: change `lead` there", fixed)
	}
	a := c.agents[server]
	switch {
	case a == nil:
		return fmt.Errorf("server %s has no agent that could make it the lead: %s", server, c.eligible(now))
	case !a.alive(now):
		return fmt.Errorf("the agent of server %s does not answer", server)
	case !a.ask.Candidate:
		return fmt.Errorf("server %s is not run by its agent: write `run` and `home` in its configuration", server)
	case c.lease.holder == server:
		c.wanted = ""
		return nil
	}
	if h := c.agents[c.lease.holder]; gone && (h == nil || !h.alive(now)) {
		c.cfg.Logger.Warn("the lead server's process is taken for ended, because an operator says so", "server", c.lease.holder)
		c.lease.end(now, time.Time{}, 0)
	}
	c.wanted = server
	c.poke()
	return nil
}
