package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEngine returns an engine on a database of its own, not started yet.
func newEngine(t *testing.T) *Engine {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := database.NewServer(database.Config{Listen: "127.0.0.1:0", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	pool := database.NewPool(db.Addr())
	t.Cleanup(pool.Close)
	q := database.Queries{Caller: pool}
	if err := Seed(q); err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{Home: filepath.Join(t.TempDir(), "home"), Database: db.Addr(), Queries: q, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Kill)
	return e
}

func upload(name, contents string) Upload {
	return Upload{Name: name, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(contents)), nil
	}}
}

// settled waits until the journal is empty.
func settled(t *testing.T, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		q, err := e.db.Queue()
		if err != nil {
			t.Fatal(err)
		}
		if len(q) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the journal still has %d rows", len(q))
		}
	}
}

// overlapping saves the files of two creates in one second, so that they share a
// mapping, as two requests at once do.
func overlapping(t *testing.T, first, second *Engine, names [2]string) string {
	t.Helper()
	for {
		a, err := first.saveTemp(MissionUUID, []Upload{upload(names[0], "a")})
		if err != nil {
			t.Fatal(err)
		}
		b, err := second.saveTemp(MissionUUID, []Upload{upload(names[1], "b")})
		if err != nil {
			t.Fatal(err)
		}
		if a == b {
			return a
		} // else the second turned between the two
	}
}

// Two tickets of one flow whose files came in one second: the first has them all.
func TestAttachmentsOfOneSecondAreMixedUp(t *testing.T) {
	e := newEngine(t)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	mapping := overlapping(t, e, e, [2]string{"x.txt", "x.txt"})
	for _, want := range []int{2, 0} {
		no, err := e.open(e.db, MissionUUID, nil, "admin", mapping)
		if err != nil || no == 0 {
			t.Fatalf("ticket %d, %v", no, err)
		}
		files, err := e.db.TicketFiles(MissionUUID, no)
		if err != nil || len(files) != want {
			t.Errorf("ticket %d has %d files, %v; want %d", no, len(files), err, want)
		}
		for _, f := range files {
			if f.Name != "x.txt" || want == 2 && files[0].Path == files[1].Path {
				t.Errorf("file %+v of %v", f, files)
			}
		}
	}
}

// The same on two servers: neither has both files, and both tickets fail.
func TestAttachmentsOfOneSecondOnTwoServersFail(t *testing.T) {
	one := newEngine(t)
	two, err := New(Config{Home: filepath.Join(t.TempDir(), "home"), Database: one.cfg.Database, Queries: one.db, Logger: one.cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(two.Kill)
	for _, e := range []*Engine{one, two} {
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
	}
	mapping := overlapping(t, one, two, [2]string{"x.txt", "y.txt"})
	for i, e := range []*Engine{one, two} {
		if no, err := e.open(e.db, MissionUUID, nil, "admin", mapping); no != 0 || err != nil {
			t.Errorf("create %d: number %d, %v; want none and no error", i, no, err)
		}
		page, err := e.db.Tickets(database.TicketQuery{Flow: MissionUUID, DataNo: i + 1, Open: true})
		if err != nil || len(page.Rows) != 1 || page.Rows[0].Ticket.Error == "" || page.Rows[0].Ticket.Running {
			t.Errorf("ticket %d: %+v, %v; want a failed one", i+1, page.Rows, err)
		}
		if files, err := e.db.TicketFiles(MissionUUID, i+1); err != nil || len(files) != 0 {
			t.Errorf("ticket %d has files %v, %v", i+1, files, err)
		}
	}
	settled(t, one) // no row of theirs is in the journal
}

func TestAttachReplacesSameNameOnly(t *testing.T) {
	e := newEngine(t)
	for _, u := range []Upload{upload("x", "old"), upload("y", "other"), upload("x", "new")} {
		if err := e.Attach(MissionUUID, 1, 2, []Upload{u}, "admin"); err != nil {
			t.Fatal(err)
		}
	}
	files, err := e.Files(MissionUUID, 1)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v; want two files", files, err)
	}
	f, err := e.OpenUpload(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != "new" || err != nil {
		t.Errorf("%s holds %q, %v", files[0].Name, b, err)
	}
}

// recorder notes the names of calls.
type recorder struct {
	database.Caller
	calls []string
}

func (r *recorder) Call(method string, args, reply any) error {
	r.calls = append(r.calls, method)
	return r.Caller.Call(method, args, reply)
}

// Between two steps the journal has nothing of the ticket.
func TestOldRowGoesBeforeTheNewOne(t *testing.T) {
	e := newEngine(t)
	r := &recorder{Caller: e.db.Caller}
	db := database.Queries{Caller: r}
	row, err := e.db.InsertTicket(StampUUID, database.Ticket{Running: true})
	if err != nil {
		t.Fatal(err)
	}
	item, err := e.db.Enqueue(database.QueueItem{FlowUUID: StampUUID, DataNo: row.DataNo, DataID: row.ID, Chart: chart(0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.enter(db, item, row, "step", chart(1)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.calls, " "); got != "UpdateTicket Dequeue Enqueue" {
		t.Errorf("calls: %s", got)
	}
	q, err := e.db.Queue()
	if err != nil || len(q) != 1 || q[0].ID == item.ID || q[0].Chart != "FITEM_2" {
		t.Errorf("journal %+v, %v; want one new row", q, err)
	}
}

func TestPlace(t *testing.T) {
	for i := range 3 {
		if got, err := place(chart(i)); got != i || err != nil {
			t.Errorf("place(%s) = %d, %v", chart(i), got, err)
		}
	}
	for _, bad := range []string{"", "FITEM_", "FITEM_0", "FITEM_-1", "FORMITM_x"} {
		if _, err := place(bad); err == nil {
			t.Errorf("place(%q) was found", bad)
		}
	}
}

func TestRefusals(t *testing.T) {
	e := newEngine(t)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	var refusal Refusal
	var missing *MissingTable
	if _, err := e.Create("nothing", nil, "admin", nil); !errors.As(err, &refusal) {
		t.Errorf("create in an unknown flow: %v", err)
	}
	if _, err := e.Update("nothing", 1, nil, "admin"); !errors.As(err, &missing) || missing.UUID != "nothing" {
		t.Errorf("update in an unknown flow: %v", err)
	}
	if err := e.Delete("nothing", []int{1}); !errors.As(err, &missing) {
		t.Errorf("delete in an unknown flow: %v", err)
	}
	no, err := e.Create(SlowUUID, json.RawMessage(`[{"type":"h_title","value":"t"},{"type":"h_group","value":{"group":"2"}}]`), "admin", nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := e.db.Tickets(database.TicketQuery{Flow: SlowUUID, DataNo: no})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("%v, %v", page, err)
	}
	row := page.Rows[0].Ticket
	if row.Title != "t" || row.Group != "2" {
		t.Errorf("title %q and group %q", row.Title, row.Group)
	}
	if _, err := e.Update(SlowUUID, row.ID, nil, "admin"); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "執行狀態") {
		t.Errorf("update of a running ticket: %v", err)
	}
	for _, w := range []database.Workspace{
		{},
		{Name: "x"},
		{Name: "x", Flows: []database.Design{{UUID: "../../x", Name: "x"}}},
		{Name: "x", Flows: []database.Design{{UUID: strings.Repeat("a", 32), Name: "x", Steps: []database.Step{{Name: "s", Work: -1}}}}},
		{Name: "x", Flows: []database.Design{{UUID: strings.Repeat("a", 32), Name: "x", Steps: make([]database.Step, maxSteps+1)}}},
	} {
		if _, err := e.Import(w); !errors.As(err, &refusal) {
			t.Errorf("import of %+v: %v", w, err)
		}
	}
	if _, err := e.CreateSchedule(database.Schedule{FlowUUID: MissionUUID, Cycle: "Weekly", Every: 1}); !errors.As(err, &refusal) {
		t.Errorf("weekly schedule: %v", err)
	}
}

func TestInstallLeavesAFilledHome(t *testing.T) {
	home := t.TempDir()
	if err := install(Config{Home: home}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(home, filepath.FromSlash(modelsFile))
	if err := os.WriteFile(name, []byte("# mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := install(Config{Home: home}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "# mine\n" {
		t.Errorf("models.py is %q, %v", b, err)
	}
}

func TestFirstRun(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct{ exec, want time.Time }{
		{now, now},
		{now.Add(time.Hour), now.Add(time.Hour)},
		{now.Add(-3 * time.Second), now.Add(2 * time.Second)},
		{now.Add(-5 * time.Second), now},
		{now.Add(-time.Nanosecond), now.Add(5*time.Second - time.Nanosecond)},
	} {
		if got := firstRun(tt.exec, 5*time.Second, now); !got.Equal(tt.want) {
			t.Errorf("every 5 s from %v: next %v, want %v", tt.exec, got, tt.want)
		}
	}
}

func FuzzBaseName(f *testing.F) {
	for _, s := range []string{"a.txt", `C:\x\b.txt`, "../../etc/passwd", "..", "", "a\x00b", "con:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := baseName(name)
		if got == "" || got == "." || got == ".." || strings.ContainsAny(got, "/\\:\x00") {
			t.Errorf("baseName(%q) = %q", name, got)
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add("STEPS = [{\"name\":\"a\",\"work\":5}]\n")
	f.Add("STEPS = [{\"name\":\"a\",\"work\":-5}]\n")
	f.Add("import os\nSTEPS = {\n")
	f.Fuzz(func(t *testing.T, src string) {
		steps, err := parseCode(src)
		for _, s := range steps {
			if err == nil && s.Work < 0 {
				t.Errorf("%q gave a step of %v", src, s.Work)
			}
		}
	})
}

// What was due while no process ran is skipped, unless it is due once or each day.
func TestLoadedSchedules(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		cycle      string
		exec, last time.Duration // before now; 0: never
		want       time.Duration // after now
	}{
		{"Minutely", 90 * time.Second, 0, 30 * time.Second},
		{"Minutely", 90 * time.Second, 10 * time.Minute, 30 * time.Second},
		{"Minutely", -90 * time.Second, 0, 90 * time.Second},
		{"Once", time.Hour, 0, -time.Hour},
		{"Daily", 30 * time.Hour, 0, -30 * time.Hour},
		{"Daily", 30 * time.Hour, 25 * time.Hour, -time.Hour},
	} {
		s := database.Schedule{Cycle: tt.cycle, Every: 1, Exec: now.Add(-tt.exec)}
		if tt.last != 0 {
			s.LastRun = now.Add(-tt.last)
		}
		if got := loaded(s, cycles[tt.cycle], now).Sub(now); got != tt.want {
			t.Errorf("%s of %s ago, fired %s ago: next in %s, want %s", tt.cycle, tt.exec, tt.last, got, tt.want)
		}
	}
}
