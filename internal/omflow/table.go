package omflow

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow/profile"
)

// maxOwnRules bounds the patterns of one Table; they are tried one by one.
const maxOwnRules = 256

// Table is a profile made ready for looking things up in. Build it with NewTable,
// DefaultTable or PlainTable, and Add; after that any number of goroutines may call its
// other methods.
type Table struct {
	omflow  bool
	profile *profile.Profile
	repairs profile.Repairs
	own     []ownRule

	urls       map[string]rule
	open       []openRule // the longest path first
	families   []family
	verbs      map[string]Class
	extensions map[string]bool
	api        []byte
	agreeWords []string // the segments of the agree_get URL

	wrong, expired, created, failed []string
	live, ready                     health.Check
	texts                           [reasons][languages]profile.Text
}

// ownRule is a pattern that was added.
type ownRule struct {
	pattern pattern
	lane    Lane
}

// rule is what is known of a URL.
type rule struct {
	lane  Lane
	class Class
	// action: the body's action tells a create from an update or a delete.
	action bool
	// files: a multipart body may bring files, which end up on the disk of the
	// server that runs the request.
	files bool
	// work: the request may put an item into OMFLOW's flow queue.
	work bool
	// question: the body tells whether the request may pass, see Table.Refuses.
	question bool
}

// openRule is one for URLs that go on with a name.
type openRule struct {
	path  string
	child bool // exactly one more segment
	rule  rule
}

// family is a rule for URLs that are not listed.
type family struct {
	prefix string
	lane   Lane
	laned  bool
	work   bool
}

// NewTable returns the table of a profile, which must not change any more.
func NewTable(p *profile.Profile) (*Table, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("make a table of a profile: %w", err)
	}
	t := &Table{
		omflow: true, profile: p, repairs: p.Repairs, api: []byte(p.API),
		urls: make(map[string]rule), verbs: make(map[string]Class), extensions: make(map[string]bool),
		agreeWords: strings.FieldsFunc(p.AgreeGet.Path, func(r rune) bool { return r == '/' }),
		wrong:      every(p.Tokens.Wrong), expired: every(p.Tokens.Expired), created: every(p.Tickets.Created),
		failed: every(p.Tickets.Failed),
		live:   checkOf(p.Health.Live), ready: checkOf(p.Health.Ready),
	}
	for i := range p.URLs {
		t.addURL(&p.URLs[i])
	}
	slices.SortStableFunc(t.open, func(a, b openRule) int { return cmp.Compare(len(b.path), len(a.path)) })
	for i := range p.Unlisted {
		u := &p.Unlisted[i]
		t.families = append(t.families, family{prefix: u.Prefix, lane: parseLane(u.Lane), laned: u.Lane != "", work: u.Work})
	}
	for class, words := range map[Class][]string{Read: p.Verbs.Read, Guarded: p.Verbs.Guarded, Create: p.Verbs.Create} {
		for _, w := range words {
			t.verbs[w] = class
		}
	}
	for _, e := range p.Static.Extensions {
		t.extensions[e] = true
	}
	if t.repairs.AgreeGet {
		ru := t.lookUpPath("POST", []byte(p.AgreeGet.Path), false)
		ru.question = true
		t.urls[p.AgreeGet.Path] = ru
	}
	t.texts = textsOf(&p.Answers)
	return t, nil
}

func (t *Table) addURL(u *profile.URL) {
	ru := rule{lane: parseLane(u.Lane), class: parseClass(u.Class), action: u.Action, files: u.Files, work: u.Work}
	if u.Match == profile.MatchChild || u.Match == profile.MatchBelow {
		t.open = append(t.open, openRule{path: u.Path, child: u.Match == profile.MatchChild, rule: ru})
		return
	}
	t.urls[u.Path] = ru
}

// parseLane reads a lane of a valid profile.
func parseLane(name string) Lane {
	if lane, err := balance.ParseLane(name); err == nil {
		return lane
	}
	return Session // none is given
}

// parseClass reads a class of a valid profile.
func parseClass(name string) Class {
	switch name {
	case profile.ClassRead:
		return Read
	case profile.ClassGuarded:
		return Guarded
	}
	return Create
}

// every returns the messages of all languages.
func every(m profile.Messages) []string {
	var all []string
	for _, texts := range m {
		all = append(all, texts...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// DefaultTable returns the table of OMFLOW Server 1.1.0.0.
func DefaultTable() *Table {
	t, err := NewTable(profile.Default())
	if err != nil {
		panic(err) // Default returns a valid one
	}
	return t
}

// PlainTable returns the rules for any HTTP server: all requests are in the
// session lane, and the class follows from the method alone: GET, HEAD, OPTIONS
// and TRACE are reads, PUT and DELETE guarded, all others creates
// (RFC 9110 §9.2.1 and §9.2.2). No repair is made.
func PlainTable() *Table {
	t := DefaultTable() // for its answers
	t.omflow, t.repairs = false, profile.Repairs{}
	return t
}

// Repairs returns which repairs are made.
func (t *Table) Repairs() profile.Repairs { return t.repairs }

// Checks returns how a server is asked whether it lives and whether it can work.
func (t *Table) Checks() (live, ready health.Check) { return t.live, t.ready }

// Add puts requests whose path matches one of the patterns into a lane. Added
// rules come before the profile's, and of two added rules the first that
// matches counts. The class of a request stays what it was.
//
// A pattern is a decoded path, in which "*" stands for anything: at the
// beginning or the end for nothing too, elsewhere for at least one character.
// Case matters, a slash at the end doesn't. In the table of a profile a pattern of the
// control or file lane holds under /rest/ too, where OMFLOW serves the same URL
// once more; patterns of the other lanes hold as they are written, since there
// the question is who waits, a person or a program.
//
// Add must not run beside Classify. On an error nothing was added.
func (t *Table) Add(lane Lane, patterns ...string) error {
	if int(lane) >= balance.Lanes {
		return fmt.Errorf("add to lane: %s does not exist", lane)
	}
	if len(patterns) == 0 {
		return errors.New("add to lane " + lane.String() + ": no path given")
	}
	if len(t.own)+len(patterns) > maxOwnRules {
		return fmt.Errorf("add to lane %s: more than %d paths", lane, maxOwnRules)
	}
	added := make([]ownRule, 0, len(patterns))
	for _, s := range patterns {
		p, err := parsePattern(s)
		if err != nil {
			return fmt.Errorf("add to lane %s: %w", lane, err)
		}
		added = append(added, ownRule{p, lane})
	}
	t.own = append(t.own, added...)
	return nil
}
