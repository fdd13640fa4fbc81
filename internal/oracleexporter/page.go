package oracleexporter

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
)

// Bounds of what is kept of a page. A database has a dozen wait classes, some twenty
// combinations of a session's status and type, and names of at most 128 bytes.
const (
	maxText        = 128
	maxReason      = 512
	maxSessions    = 64
	maxWaits       = 64
	maxTablespaces = 200
)

// Page is what one metrics page says of the database. As [Parse] returns it, its lists
// are sorted and bounded, name nothing twice, and hold finite numbers of at least 0.
type Page struct {
	// Up is whether the exporter reaches the database. If it does not, the lists are
	// empty.
	Up bool `json:"up"`
	// Sessions counts the sessions, at most 64 kinds of them.
	Sessions []Sessions `json:"sessions"`
	// Waits is what the database waited for, at most 64 classes, without Idle.
	Waits []Wait `json:"waits"`
	// Tablespaces are the fullest first, at most 200.
	Tablespaces []Tablespace `json:"tablespaces"`
	// More is how many tablespaces are not in that list.
	More int `json:"more_tablespaces,omitempty"`
	// Version is the exporter's, "" if it tells none.
	Version string `json:"exporter_version,omitempty"`
}

// Sessions counts sessions of one kind.
type Sessions struct {
	// Status is V$SESSION's: ACTIVE, INACTIVE, KILLED, CACHED or SNIPED.
	Status string `json:"status"`
	// Type is USER, BACKGROUND or RECURSIVE.
	Type  string  `json:"type"`
	Count float64 `json:"count"`
}

// Wait is how long sessions have waited for one class of events.
type Wait struct {
	// Class is V$SYSTEM_WAIT_CLASS's, in the exporter's writing: user_io, commit.
	Class string `json:"class"`
	// Seconds is the time of all sessions since the database was started.
	Seconds float64 `json:"seconds"`
}

// Tablespace is one tablespace.
type Tablespace struct {
	Name string `json:"name"`
	// Type is PERMANENT, UNDO or TEMPORARY.
	Type string `json:"type"`
	// Used is in bytes, and so is Max, which counts what files may still grow; a Max of
	// 0 is unknown.
	Used float64 `json:"used_bytes"`
	Max  float64 `json:"max_bytes"`
}

// Full is the used part, from 0 to 1; 0 when Max is unknown. The exporter's own
// used_percent is not used: for temporary tablespaces it is a fraction.
func (t Tablespace) Full() float64 {
	if t.Max <= 0 {
		return 0
	}
	return min(t.Used/t.Max, 1)
}

// critical is where Oracle's own critical alert begins by default (Database
// Administrator's Guide, "Managing Tablespace Alerts").
const critical = 0.97

// Critical are the permanent tablespaces that are 97 % full or more: what writes into
// them fails soon.
func (p *Page) Critical() (full []Tablespace) {
	for _, t := range p.Tablespaces {
		if t.Type != "TEMPORARY" && t.Type != "UNDO" && t.Full() >= critical {
			full = append(full, t)
		}
	}
	return full
}

// kind is what sessions, and with other words tablespaces, are told apart by.
type kind struct{ a, b string }

// collected is a page while it is read.
type collected struct {
	sessions  map[kind]float64
	waits     map[string]float64
	used, max map[kind]float64
}

func newCollected() *collected {
	return &collected{
		sessions: make(map[kind]float64), waits: make(map[string]float64), used: make(map[kind]float64), max: make(map[kind]float64),
	}
}

// page makes the lists.
func (c *collected) page() *Page {
	p := &Page{Sessions: []Sessions{}, Waits: []Wait{}, Tablespaces: []Tablespace{}}
	for k, v := range c.sessions {
		p.Sessions = append(p.Sessions, Sessions{Status: k.a, Type: k.b, Count: v})
	}
	for class, v := range c.waits {
		p.Waits = append(p.Waits, Wait{Class: class, Seconds: v})
	}
	for k, v := range c.used {
		p.Tablespaces = append(p.Tablespaces, Tablespace{Name: k.a, Type: k.b, Used: v, Max: c.max[k]})
	}
	p.bound()
	return p
}

// bound sorts and cuts the lists.
func (p *Page) bound() {
	slices.SortFunc(p.Sessions, func(a, b Sessions) int {
		return cmp.Or(strings.Compare(b.Type, a.Type), strings.Compare(a.Status, b.Status)) // USER first
	})
	slices.SortFunc(p.Waits, func(a, b Wait) int { return strings.Compare(a.Class, b.Class) })
	slices.SortFunc(p.Tablespaces, func(a, b Tablespace) int {
		return cmp.Or(cmp.Compare(b.Full(), a.Full()), strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
	})
	p.Sessions = p.Sessions[:min(len(p.Sessions), maxSessions)]
	p.Waits = p.Waits[:min(len(p.Waits), maxWaits)]
	if more := len(p.Tablespaces) - maxTablespaces; more > 0 {
		p.Tablespaces, p.More = p.Tablespaces[:maxTablespaces], p.More+more
	}
}

// checked is a page that came from another node, with the promises of Page kept again.
func (p *Page) checked() *Page {
	c := newCollected()
	for _, s := range p.Sessions {
		add(c.sessions, kind{text(s.Status), text(s.Type)}, s.Count)
	}
	for _, w := range p.Waits {
		add(c.waits, text(w.Class), w.Seconds)
	}
	for _, t := range p.Tablespaces {
		k := kind{text(t.Name), text(t.Type)}
		add(c.used, k, t.Used)
		add(c.max, k, t.Max)
	}
	out := c.page()
	out.Up, out.Version, out.More = p.Up, text(p.Version), out.More+max(p.More, 0)
	return out
}

// add adds a number that makes sense.
func add[K comparable](to map[K]float64, key K, v float64) {
	if v >= 0 && !math.IsInf(to[key]+v, 0) { // false for NaN, too
		to[key] += v
	}
}

// text is a name of the page: of bounded length, without anything that a terminal obeys.
func text(s string) string { return cut(s, maxText) }

// cut bounds a text, in bytes, and takes out what a terminal might obey.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// names lists the keys of a map for a message, the first few.
func names(of map[string]bool) string {
	const most = 5
	all := slices.Sorted(maps.Keys(of))
	if len(all) > most {
		all = append(all[:most], "…")
	}
	return strings.Join(all, ", ")
}
