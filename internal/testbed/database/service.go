package database

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// service has the calls that net/rpc offers: each method is one statement.
// Replies carry copies, made by the encoding.
type service struct{ store *store }

// None is the empty argument or reply.
type None struct{}

// TicketKey names a row of a flow's table.
type TicketKey struct {
	Flow string
	ID   int
}

// TicketRow is a row together with its flow.
type TicketRow struct {
	Flow   string
	Ticket Ticket
}

// TicketQuery asks for rows of a flow's table, ordered by ID.
type TicketQuery struct {
	Flow        string // empty: all flows
	DataNo      int    // zero: all tickets
	TitlePrefix string
	Open        bool // only rows that are neither history nor closed
	Newest      bool // the last ones first
	Start       int  // leave out so many
	Limit       int  // at most this many rows; zero: 100, OMFLOW's default
}

// TicketPage is the answer to a TicketQuery.
type TicketPage struct {
	Rows  []TicketRow
	Total int // how many there are without Start and Limit
}

// maxRows bounds one answer.
const maxRows = 100_000

func (s service) lock() func() {
	s.store.mu.Lock()
	return s.store.mu.Unlock
}

// change locks for a statement that writes.
func (s service) change() func() {
	unlock := s.lock()
	s.store.dirty = true
	return unlock
}

func (s service) table(flow string) (*table, error) {
	t := s.store.state.Tables[flow]
	if t == nil {
		return nil, fmt.Errorf(`relation "omformmodel_omdata_%s" does not exist`, flow)
	}
	return t, nil
}

func (t *table) row(id int) *Ticket {
	// Rows are in the order of their IDs.
	i, ok := slices.BinarySearchFunc(t.Rows, id, func(r Ticket, id int) int { return cmp.Compare(r.ID, id) })
	if !ok {
		return nil
	}
	return &t.Rows[i]
}

func (s service) Ping(None, *None) error { return nil }

func (s service) User(name string, u *User) error {
	defer s.lock()()
	*u = s.store.state.Users[name]
	return nil
}

func (s service) SaveUser(u User, _ *None) error {
	defer s.change()()
	if old, ok := s.store.state.Users[u.Name]; ok {
		u.ID = old.ID
	} else {
		u.ID = s.store.nextID()
	}
	s.store.state.Users[u.Name] = u
	return nil
}

func (s service) Session(key string, out *Session) error {
	defer s.lock()()
	*out = s.store.state.Sessions[key]
	return nil
}

func (s service) Sessions(_ None, out *[]Session) error {
	defer s.lock()()
	for _, v := range s.store.state.Sessions {
		*out = append(*out, v)
	}
	return nil
}

func (s service) InsertSession(v Session, _ *None) error {
	defer s.change()()
	if len(s.store.state.Sessions) >= maxRows {
		s.dropExpired()
	}
	s.store.state.Sessions[v.Key] = v
	return nil
}

// dropExpired stands for `manage.py clearsessions`, which nobody runs by hand
// on a test machine.
func (s service) dropExpired() {
	now := time.Now()
	for k, v := range s.store.state.Sessions {
		if v.Expire.Before(now) {
			delete(s.store.state.Sessions, k)
		}
	}
}

func (s service) UpdateSession(v Session, found *bool) error {
	defer s.change()()
	if _, *found = s.store.state.Sessions[v.Key]; *found {
		s.store.state.Sessions[v.Key] = v
	}
	return nil
}

func (s service) DeleteSession(key string, _ *None) error {
	defer s.change()()
	delete(s.store.state.Sessions, key)
	return nil
}

// Setting is one value of the settings table.
type Setting struct {
	Name, Value string
	Found       bool
}

func (s service) Setting(name string, out *Setting) error {
	defer s.lock()()
	out.Name = name
	out.Value, out.Found = s.store.state.Settings[name]
	return nil
}

func (s service) SaveSetting(v Setting, _ *None) error {
	defer s.change()()
	s.store.state.Settings[v.Name] = v.Value
	return nil
}

func (s service) Workspace(id int, out *Workspace) error {
	defer s.lock()()
	*out = s.store.state.Workspaces[id]
	return nil
}

func (s service) Workspaces(_ None, out *[]Workspace) error {
	defer s.lock()()
	for _, w := range s.store.state.Workspaces {
		*out = append(*out, w)
	}
	slices.SortFunc(*out, func(a, b Workspace) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (s service) SaveWorkspace(w Workspace, id *int) error {
	defer s.change()()
	if w.ID == 0 {
		w.ID = s.store.nextID()
	}
	s.store.state.NextID = max(s.store.state.NextID, w.ID)
	s.store.state.Workspaces[w.ID] = w
	*id = w.ID
	return nil
}

func (s service) Flows(_ None, out *[]Flow) error {
	defer s.lock()()
	for _, f := range s.store.state.Flows {
		*out = append(*out, f)
	}
	slices.SortFunc(*out, func(a, b Flow) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (s service) SaveFlow(f Flow, out *Flow) error {
	defer s.change()()
	if old, ok := s.store.state.Flows[f.UUID]; ok {
		f.ID = old.ID
	} else {
		f.ID = s.store.nextID()
	}
	s.store.state.Flows[f.UUID] = f
	*out = f
	return nil
}

func (s service) CreateTable(flow string, _ *None) error {
	defer s.change()()
	if s.store.state.Tables[flow] == nil {
		s.store.state.Tables[flow] = &table{NextID: 1, NextNo: 1}
	}
	return nil
}

// InsertTicket gives the row its ID and, when it has none yet, its number.
func (s service) InsertTicket(r TicketRow, out *Ticket) error {
	unlock := s.change()
	slow := s.store.slow
	defer func() { unlock(); time.Sleep(slow) }()
	t, err := s.table(r.Flow)
	if err != nil {
		return err
	}
	r.Ticket.ID = t.NextID
	t.NextID++
	if r.Ticket.DataNo == 0 {
		r.Ticket.DataNo = t.NextNo
		t.NextNo++
	}
	t.Rows = append(t.Rows, r.Ticket)
	*out = r.Ticket
	return nil
}

func (s service) Ticket(k TicketKey, out *Ticket) error {
	defer s.lock()()
	t, err := s.table(k.Flow)
	if err != nil {
		return err
	}
	if r := t.row(k.ID); r != nil {
		*out = *r
	}
	return nil
}

func (s service) UpdateTicket(r TicketRow, found *bool) error {
	defer s.change()()
	t, err := s.table(r.Flow)
	if err != nil {
		return err
	}
	if row := t.row(r.Ticket.ID); row != nil {
		*row, *found = r.Ticket, true
	}
	return nil
}

// DeleteTickets removes all rows of a ticket and says how many there were.
func (s service) DeleteTickets(q TicketQuery, n *int) error {
	defer s.change()()
	t, err := s.table(q.Flow)
	if err != nil {
		return err
	}
	before := len(t.Rows)
	t.Rows = slices.DeleteFunc(t.Rows, func(r Ticket) bool { return r.DataNo == q.DataNo })
	*n = before - len(t.Rows)
	return nil
}

func (s service) Tickets(q TicketQuery, out *TicketPage) error {
	defer s.lock()()
	if q.Limit <= 0 {
		q.Limit = 100
	}
	q.Limit = min(q.Limit, maxRows)
	flows := []string{q.Flow}
	if q.Flow == "" {
		flows = flows[:0]
		for f := range s.store.state.Tables {
			flows = append(flows, f)
		}
		slices.Sort(flows)
	}
	for _, flow := range flows {
		t, err := s.table(flow)
		if err != nil {
			return err
		}
		for i := range t.Rows {
			if q.Newest {
				i = len(t.Rows) - 1 - i
			}
			r := &t.Rows[i]
			if !q.matches(r) {
				continue
			}
			out.Total++
			if out.Total > q.Start && len(out.Rows) < q.Limit {
				out.Rows = append(out.Rows, TicketRow{Flow: flow, Ticket: *r})
			}
		}
	}
	return nil
}

func (q TicketQuery) matches(r *Ticket) bool {
	return (q.DataNo == 0 || r.DataNo == q.DataNo) &&
		(!q.Open || !r.History && !r.Closed) &&
		strings.HasPrefix(r.Title, q.TitlePrefix)
}

// OpenByLevel counts the open rows of all flows by level.
func (s service) OpenByLevel(_ None, out *map[string]int) error {
	defer s.lock()()
	*out = map[string]int{}
	for _, t := range s.store.state.Tables {
		for i := range t.Rows {
			if r := &t.Rows[i]; !r.History && !r.Closed {
				(*out)[r.Level]++
			}
		}
	}
	return nil
}

// TicketsByTitle counts the tickets, not their rows.
func (s service) TicketsByTitle(prefix string, out *map[string]int) error {
	defer s.lock()()
	*out = map[string]int{}
	for _, t := range s.store.state.Tables {
		seen := map[int]bool{}
		for _, r := range t.Rows {
			if strings.HasPrefix(r.Title, prefix) && !seen[r.DataNo] {
				seen[r.DataNo] = true
				(*out)[r.Title]++
			}
		}
	}
	return nil
}
