//go:build unix

package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/observe"
)

// omflowWith makes an agent's server an OMFLOW Server with a stand-in's database.
func (b *bed) omflowWith() (func(*Agent), database.Queries) {
	b.t.Helper()
	s, err := database.NewServer(database.Config{Listen: "127.0.0.1:0", Postgres: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { s.Close() })
	if err := s.Start(); err != nil {
		b.t.Fatal(err)
	}
	pool := database.NewPool(s.Addr())
	b.t.Cleanup(pool.Close)
	home := b.t.TempDir()
	file := filepath.Join(home, "omflow", "settings.py")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("TIME_ZONE = 'Asia/Taipei'\nDATABASES = {}\n"), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return func(a *Agent) {
		a.Home, a.Database = home, "postgres://"+database.PostgresRole+"@"+s.PostgresAddr()+"/"+database.PostgresName+"?sslmode=disable"
	}, database.Queries{Caller: pool}
}

// once are the schedules that were made to be fired once.
func once(t *testing.T, q database.Queries) (list []database.Schedule) {
	t.Helper()
	all, err := q.Schedules()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Mark != "" {
			list = append(list, s)
		}
	}
	return list
}

// TestLeadCatchesUp: what was due while there was no lead server is there to be fired
// before the next one starts; of what may have been fired, and of what is too old, people
// are told.
func TestLeadCatchesUp(t *testing.T) {
	for name, test := range map[string]struct {
		ended time.Duration // ago
		late  bool
		told  string
	}{
		"a change of lead": {30 * time.Second, true, "may not have been fired"},
		"an outage":        {10 * time.Minute, false, "was not fired"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			omflow, q := b.omflowWith()
			if _, err := q.SaveFlow(database.Flow{UUID: "f", Name: "mission"}); err != nil {
				t.Fatal(err)
			}
			// Three schedules of every hour: due 10 s after the end, at the end, and fired.
			now := time.Now().Truncate(time.Second)
			schedule := func(ago time.Duration, fired bool) database.Schedule {
				s := database.Schedule{FlowUUID: "f", Cycle: "Hourly", Every: 1, Exec: now.Add(-24*time.Hour - ago), Active: true, LastRun: now.Add(-time.Hour - ago)}
				if fired {
					s.LastRun = now.Add(-ago)
				}
				s, err := q.SaveSchedule(s)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			due := schedule(test.ended-10*time.Second, false)
			schedule(test.ended, false)
			schedule(test.ended-10*time.Second, true)
			b.to.say(func(ask rollout.Ask) (rollout.Answer, error) {
				a := rollout.Answer{Term: 1, Part: rollout.Lead, Grant: 7, Offer: ask.Offer}
				if ask.Runs != rollout.Lead {
					ended := time.Since(now.Add(-test.ended))
					a.Vacant = &rollout.Vacancy{Ran: ended, Ended: ended}
				}
				return a, nil
			})
			b.start(b.agent(omflow), nil)
			b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
			list := once(t, q)
			if len(list) > 1 || (len(list) == 1) != test.late {
				t.Fatalf("to be fired: %+v", list)
			}
			if test.late && (list[0].FlowUUID != due.FlowUUID || !list[0].Exec.Equal(due.Exec) || !list[0].Active) {
				t.Errorf("to be fired: %+v, want what %+v missed", list[0], due)
			}
			ask := b.to.waitAsk(t, "somebody is told", func(a rollout.Ask) bool { return len(a.Missed) > 0 })
			found := slices.ContainsFunc(ask.Missed, func(text string) bool {
				return strings.Contains(text, "flow mission due ") && strings.Contains(text, test.told)
			})
			if !found {
				t.Errorf("told %q, want one that %s", ask.Missed, test.told)
			}
		})
	}
}

// TestNoCatchingUp: when nobody knows when the last lead server ended, nothing is fired.
func TestNoCatchingUp(t *testing.T) {
	b := newBed(t)
	omflow, q := b.omflowWith()
	now := time.Now()
	if _, err := q.SaveSchedule(database.Schedule{FlowUUID: "f", Cycle: "Minutely", Every: 1, Exec: now.Add(-time.Hour), Active: true}); err != nil {
		t.Fatal(err)
	}
	b.to.say(granting())
	b.start(b.agent(omflow), nil)
	b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	if list := once(t, q); len(list) > 0 {
		t.Errorf("to be fired: %+v", list)
	}
}

// TestEndedSteps: what a server that was killed had ended is gone from the journal before
// the lead server starts, and soon after the end of a follower.
func TestEndedSteps(t *testing.T) {
	const flow = "dc33fb340034418c8fbb3baf15525e86"
	for name, answer := range map[string]func(rollout.Ask) (rollout.Answer, error){"lead": granting(), "follower": follow} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			omflow, q := b.omflowWith()
			stop := time.Now()
			leave := func() {
				for _, row := range []database.Ticket{{DataNo: 1, History: true, Stop: "a", StopTime: stop}, {DataNo: 1, Stop: "a", StopTime: stop}} {
					made, err := q.InsertTicket(flow, row)
					if err == nil && row.History {
						_, err = q.Enqueue(database.QueueItem{FlowUUID: flow, DataNo: 1, DataID: made.ID, Chart: "FITEM_1"})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := q.CreateTable(flow); err != nil {
				t.Fatal(err)
			}
			b.to.say(answer)
			if name == "lead" {
				leave()
			}
			b.start(b.agent(omflow), nil)
			r := b.to.wait(t, "up", up)
			if name == "follower" {
				leave()
				if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			gone := func() error {
				rows, err := q.Queue()
				if err == nil && len(rows) > 0 {
					err = fmt.Errorf("left in the journal: %+v", rows)
				}
				return err
			}
			if name == "follower" {
				observe.Succeeds(t, "what it had ended is gone", gone)
			} else if err := gone(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoticesAreBounded: what a booster is told is never so much that it refuses it.
func TestNoticesAreBounded(t *testing.T) {
	var m notices
	now := time.Now()
	m.add(now.Add(-noticeTime-time.Second), []string{"old"})
	for i := range 3 * rollout.MaxNotices {
		m.add(now, []string{string(rune('A'+i)) + strings.Repeat("任", rollout.MaxNoticeText)})
	}
	ask := rollout.Ask{Server: "s1", Missed: m.texts(now)}
	text, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	var got rollout.Ask
	if err := json.Unmarshal(text, &got); err != nil || got.Validate() != nil || len(got.Missed) != rollout.MaxNotices {
		t.Errorf("%d texts, %v, %v", len(got.Missed), err, got.Validate())
	}
	if m.add(now, []string{"new"}); len(m.texts(now.Add(noticeTime+time.Second))) != 0 {
		t.Error("it is told for ever")
	}
}
