package flows

import "strings"

// MaxFlows is how many flows a Directory holds.
const MaxFlows = 2000

// Source is a flow as the database and its design tell of it.
type Source struct {
	// UUID is the flow's, Parent that of the main flow if this is a subflow, else "".
	// Dashes and upper case don't count.
	UUID, Parent string
	// App and Name are the application's and the flow's names, APIPath what requests of
	// the REST API may name the flow by.
	App, Name, APIPath string
	Design             Design
}

// Build makes a Directory of the flows that are deployed, the oldest first: of two with
// the same name or path the later counts. more tells that there are others that are not
// among them. Sources without a UUID are passed over.
func Build(sources []Source, more bool) *Directory {
	g := newGraph(sources)
	opens := g.spread(g.sleeps, g.callers)
	pushes := g.spread(opens, g.calls)
	waits := g.waits()
	var flows []Flow
	for at, s := range g.sources {
		if s.Parent != "" {
			continue // no request names a subflow
		}
		f := Flow{
			UUID: s.UUID, App: s.App, Name: s.Name, APIPath: s.APIPath,
			PauseOnOpen: opens[at], PauseOnPush: pushes[at], Calls: waits[at],
		}
		if f.validate() != nil {
			more = true // no column of OMFLOW's holds such a name
			continue
		}
		flows = append(flows, f)
	}
	if over := len(flows) - MaxFlows; over > 0 {
		flows, more = flows[over:], true
	}
	d := &Directory{flows: flows, more: more}
	d.index()
	return d
}

// graph is who calls whom, by the places of flows in sources.
type graph struct {
	sources        []Source
	at             map[string]int // by UUID
	sleeps         []bool
	calls, callers [][]int
}

func newGraph(sources []Source) *graph {
	g := &graph{at: make(map[string]int, len(sources))}
	for _, s := range sources {
		if s.UUID, s.Parent = canonical(s.UUID), canonical(s.Parent); s.UUID == "" {
			continue
		}
		if at, twice := g.at[s.UUID]; twice {
			// Tickets of the older version go on by the newer one's design.
			g.sources[at] = s
			continue
		}
		g.at[s.UUID] = len(g.sources)
		g.sources = append(g.sources, s)
	}
	n := len(g.sources)
	g.sleeps, g.calls, g.callers = make([]bool, n), make([][]int, n), make([][]int, n)
	names := make(map[Call][]int, n)
	for i, s := range g.sources {
		if s.Parent == "" {
			key := Call{App: s.App, Flow: s.Name}
			names[key] = append(names[key], i)
		}
	}
	for i, s := range g.sources {
		g.sleeps[i] = s.Design.Sleeps
		if parent, ok := g.at[s.Parent]; ok && s.Parent != "" {
			g.call(parent, i)
		}
		for _, c := range s.Design.Calls {
			if c.App == "" {
				c.App = s.App
			}
			for _, called := range names[c] {
				g.call(i, called)
			}
		}
	}
	return g
}

func (g *graph) call(caller, called int) {
	g.calls[caller] = append(g.calls[caller], called)
	g.callers[called] = append(g.callers[called], caller)
}

// waits returns the main flows of which a ticket may wait for another flow's: by a step of
// their own, or of a subflow, which runs in the main flow's ticket.
func (g *graph) waits() []bool {
	waits := make([]bool, len(g.sources))
	for i, s := range g.sources {
		if !s.Design.MayCall && len(s.Design.Calls) == 0 {
			continue
		}
		if parent, ok := g.at[s.Parent]; ok && s.Parent != "" {
			i = parent
		}
		waits[i] = true
	}
	return waits
}

// spread returns those that are marked, and all that are reached from them.
func (g *graph) spread(marked []bool, next [][]int) []bool {
	reached := make([]bool, len(marked))
	var todo []int
	for i, m := range marked {
		if m {
			reached[i] = true
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, j := range next[i] {
			if !reached[j] {
				reached[j] = true
				todo = append(todo, j)
			}
		}
	}
	return reached
}

// canonical is a UUID as OMFLOW writes it in requests: 32 hexadecimal digits in lower
// case. It is "" for what is none.
func canonical(uuid string) string {
	uuid = strings.ToLower(strings.ReplaceAll(uuid, "-", ""))
	if len(uuid) != uuidDigits || strings.Trim(uuid, "0123456789abcdef") != "" {
		return ""
	}
	return uuid
}

const uuidDigits = 32
