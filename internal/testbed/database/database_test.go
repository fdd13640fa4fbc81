package database

import (
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, file string) (*Server, Queries) {
	t.Helper()
	return startWith(t, Config{File: file})
}

// startWith starts a database at an address of its own.
func startWith(t *testing.T, cfg Config) (*Server, Queries) {
	t.Helper()
	cfg.Listen, cfg.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	p := NewPool(s.Addr())
	t.Cleanup(p.Close)
	return s, Queries{p}
}

func TestPoolRecoversAndConnDoesNot(t *testing.T) {
	s, pool := start(t, "")
	c, err := Dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := Queries{c}
	for _, q := range []Queries{pool, conn} {
		if err := q.Ping(); err != nil {
			t.Fatal(err)
		}
	}
	s.Stop()
	for _, q := range []Queries{pool, conn} {
		if err := q.Ping(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("while it is down: %v", err)
		}
	}
	if _, err := Dial(s.Addr()); err == nil || !strings.HasPrefix(err.Error(), `connection to server at "127.0.0.1", port `) {
		t.Errorf("dialling while it is down: %v", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := pool.Ping(); err != nil {
		t.Errorf("pool after the restart: %v", err)
	}
	if err := conn.Ping(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("connection after the restart: %v, want it to stay dead", err)
	}
}

// A call that was sent is not sent again when the connection breaks: whether it
// was carried out is unknown.
func TestPoolDoesNotRepeatWhatWasSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if n, _ := c.Read(make([]byte, 1)); n == 1 {
				calls.Add(1)
			}
			c.Close()
		}
	})
	p := NewPool(l.Addr().String())
	defer p.Close()
	if _, err := (Queries{p}).InsertTicket("f", Ticket{}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("call on a connection that broke: %v", err)
	}
	l.Close()
	serving.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("the call was sent %d times", n)
	}
}

func TestFileKeepsState(t *testing.T) {
	file := filepath.Join(t.TempDir(), "db.json")
	s, q := start(t, file)
	if err := q.SaveUser(NewUser("admin", "secret", 2)); err != nil {
		t.Fatal(err)
	}
	if err := q.CreateTable("f"); err != nil {
		t.Fatal(err)
	}
	if _, err := q.InsertTicket("f", Ticket{Title: "kept"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, q = start(t, file)
	u, err := q.User("admin")
	if err != nil || !u.CheckPassword("secret") || u.CheckPassword("Secret") || u.Groups[0] != 2 {
		t.Errorf("user %+v, %v", u, err)
	}
	if tk, err := q.InsertTicket("f", Ticket{}); err != nil || tk.ID != 2 || tk.DataNo != 2 {
		t.Errorf("next ticket %+v, %v", tk, err)
	}
	if (User{}).CheckPassword("") {
		t.Error("a user that does not exist has an empty password")
	}
}

func TestTicketQueries(t *testing.T) {
	_, q := start(t, "")
	if _, err := q.InsertTicket("f", Ticket{}); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("insert without a table: %v", err)
	}
	if err := q.CreateTable("f"); err != nil {
		t.Fatal(err)
	}
	for i, tk := range []Ticket{{Title: "a", History: true}, {Title: "a"}, {Title: "b", Level: "red"}, {Title: "b", Closed: true}} {
		tk.DataNo = i/2 + 1
		if _, err := q.InsertTicket("f", tk); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		query TicketQuery
		ids   []int
		total int
	}{
		{"all", TicketQuery{Flow: "f"}, []int{1, 2, 3, 4}, 4},
		{"all flows", TicketQuery{}, []int{1, 2, 3, 4}, 4},
		{"open", TicketQuery{Flow: "f", Open: true}, []int{2, 3}, 2},
		{"newest", TicketQuery{Flow: "f", Newest: true, Limit: 2}, []int{4, 3}, 4},
		{"page", TicketQuery{Flow: "f", Start: 1, Limit: 2}, []int{2, 3}, 4},
		{"ticket", TicketQuery{Flow: "f", DataNo: 2}, []int{3, 4}, 2},
		{"title", TicketQuery{Flow: "f", TitlePrefix: "a"}, []int{1, 2}, 2},
		{"beyond", TicketQuery{Flow: "f", Start: 10}, nil, 4},
	} {
		p, err := q.Tickets(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int
		for _, r := range p.Rows {
			ids = append(ids, r.Ticket.ID)
		}
		if len(ids) != len(tt.ids) || p.Total != tt.total {
			t.Errorf("%s: %v of %d, want %v of %d", tt.name, ids, p.Total, tt.ids, tt.total)
			continue
		}
		for i := range ids {
			if ids[i] != tt.ids[i] {
				t.Errorf("%s: %v, want %v", tt.name, ids, tt.ids)
			}
		}
	}
	if n, err := q.TicketsByTitle(""); err != nil || n["a"] != 1 || n["b"] != 1 {
		t.Errorf("tickets by title %v, %v", n, err)
	}
	if n, err := q.OpenByLevel(); err != nil || n["red"] != 1 || n[""] != 1 {
		t.Errorf("open by level %v, %v", n, err)
	}
	if n, err := q.DeleteTicket("f", 1); err != nil || n != 2 {
		t.Errorf("deleted %d rows, %v", n, err)
	}
	if tk, err := q.Ticket("f", 3); err != nil || tk.Title != "b" {
		t.Errorf("row 3 after rows before it went: %+v, %v", tk, err)
	}
}

func TestSessions(t *testing.T) {
	_, q := start(t, "")
	if ok, err := q.UpdateSession(Session{Key: "k"}); ok || err != nil {
		t.Errorf("update of no session: %v, %v", ok, err)
	}
	if err := q.InsertSession(Session{Key: "k", Expire: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if ok, err := q.UpdateSession(Session{Key: "k", Data: []byte("x")}); !ok || err != nil {
		t.Errorf("update: %v, %v", ok, err)
	}
	if s, err := q.Session("k"); err != nil || string(s.Data) != "x" {
		t.Errorf("session %+v, %v", s, err)
	}
}

func TestScheduleComesBack(t *testing.T) {
	_, q := start(t, "")
	s, err := q.SaveSchedule(Schedule{Cycle: "Daily"})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.DeleteSchedule(s.ID); err != nil {
		t.Fatal(err)
	}
	again, err := q.SaveSchedule(s)
	if err != nil || again.ID != s.ID {
		t.Errorf("saved again as %d, %v; want %d", again.ID, err, s.ID)
	}
}

func TestConfig(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, tt := range []struct {
		cfg Config
		ok  bool
	}{
		{Config{Listen: "127.0.0.1:0", Logger: log}, true},
		{Config{Listen: "[::1]:0", Logger: log}, true},
		{Config{Listen: "localhost:0", Logger: log}, true},
		{Config{Listen: ":0", Logger: log}, false},
		{Config{Listen: "0.0.0.0:0", Logger: log}, false},
		{Config{Listen: "10.0.0.1:0", Logger: log}, false},
		{Config{Listen: "127.0.0.1", Logger: log}, false},
		{Config{Listen: "127.0.0.1:0"}, false},
	} {
		if err := tt.cfg.Validate(); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.cfg.Listen, err)
		}
	}
}
