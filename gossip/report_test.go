package gossip

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// report is a report of a healthy server.
func report(name string) Report {
	return Report{
		Server: name, Address: "10.0.0.21:8000", State: ServerUp, Live: true, Ready: true,
		Capacity: 8, Weight: 100, Lead: true, Release: 7, Database: "up", Restarts: 2, PID: 4711,
	}
}

func TestReports(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "booster-b", KindBooster, join(a.Addr()))
	s := newNode(t, "s1", KindAgent, join(a.Addr(), b.Addr()))
	other := newNode(t, "s2", KindAgent, join(a.Addr()))
	together(t, a, b, s, other)

	var told atomic.Int64
	defer a.SubscribeReports(func(r ReceivedReport) {
		if r.State == ServerDown {
			told.Add(1)
		}
	})()
	want := report("s1")
	if err := s.SetReport(want); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testNode{a, b} {
		observe.Eventually(t, "the report comes", func() bool {
			r := n.Reports()
			return len(r) == 1 && r[0].same(want) && r[0].Incarnation == s.incarnation && time.Since(r[0].Received) < 5*time.Second
		})
	}
	first := a.Reports()[0]
	observe.Eventually(t, "it is repeated", func() bool { return a.Reports()[0].Sequence > first.Sequence+5 })
	if told.Load() != 0 {
		t.Error("told of a state that was not reported")
	}
	want.State, want.Ready, want.Reason = ServerDown, false, "連線被拒"
	if err := s.SetReport(want); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "a change comes", func() bool { return a.Reports()[0].same(want) && told.Load() > 0 })
	if len(other.Reports()) != 0 || a.Metrics().ReportsRefused != 0 {
		t.Errorf("s2 has %v, booster-a refused %d", other.Reports(), a.Metrics().ReportsRefused)
	}

	// A restarted agent begins to count again and is heard.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = newNode(t, "s1", KindAgent, func(c *Config) { c.Listen, c.Join = s.Addr(), []string{a.Addr()} })
	if err := s.SetReport(report("s1")); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the new run's report comes", func() bool {
		r := a.Reports()
		return len(r) == 1 && r[0].same(report("s1")) && r[0].Incarnation == s.incarnation
	})
}

func TestSetReportRefuses(t *testing.T) {
	s := prepare(t, "s1", KindAgent, nil)
	for name, change := range map[string]func(*Report){
		"another server": func(r *Report) { r.Server = "s2" },
		"no address":     func(r *Report) { r.Address = "" },
		"no port":        func(r *Report) { r.Address = "10.0.0.1" },
		"port 0":         func(r *Report) { r.Address = "10.0.0.1:0" },
		"state":          func(r *Report) { r.State = "fine" },
		"reason":         func(r *Report) { r.Reason = strings.Repeat("x", maxReportText+1) },
		"bytes":          func(r *Report) { r.Reason = "\xff" },
		"no capacity":    func(r *Report) { r.Capacity = 0 },
		"capacity":       func(r *Report) { r.Capacity = maxCapacity + 1 },
		"weight":         func(r *Report) { r.Weight = -1 },
		"process":        func(r *Report) { r.PID = -1 },
	} {
		r := report("s1")
		change(&r)
		if err := s.SetReport(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if s.reports.own != nil {
		t.Error("a refused report is sent")
	}
	// JSON writes some bytes as six; what is accepted must fit nevertheless.
	r := report("s1")
	r.Reason, r.Database = strings.Repeat("\x00", maxReportText), strings.Repeat("<", maxReportText)
	if err := s.SetReport(r); err == nil {
		t.Error("a report that is too long as JSON is accepted")
	}
	r.Database = ""
	if err := s.SetReport(r); err != nil {
		t.Error(err)
	}
	if _, err := (message{From: "s1", Address: s.Addr(), Report: r}).encode(); err != nil {
		t.Error("SetReport accepts what can't be sent:", err)
	}
}

// The rules about who may report what.
func TestReportRules(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	other := newNode(t, "s2", KindAgent, join(a.Addr()))
	together(t, a, s, other)

	base := func(sequence uint64, state ServerState) message {
		r := report("s1")
		r.Incarnation, r.Sequence, r.State = s.incarnation, sequence, state
		return message{From: "s1", Address: s.Addr(), Report: r}
	}
	take := func(m message, sender string) error {
		t.Helper()
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		return a.takeMessage(b, sender)
	}
	if err := take(base(10, ServerUp), ""); err != nil {
		t.Fatal(err)
	}
	for _, old := range []uint64{10, 9, 0} {
		if err := take(base(old, ServerDown), "s1"); err != nil {
			t.Errorf("an old report is an error: %v", err)
		}
	}
	if got := a.Reports()[0]; got.State != ServerUp || a.Metrics().ReportsOld != 3 {
		t.Errorf("an older report has overwritten a newer: %+v", got)
	}
	for _, c := range []struct {
		name   string
		sender string
		change func(*message)
		want   string
	}{
		{"a foreign server", "", func(m *message) { m.From, m.Address = "s2", other.Addr() }, `"s2" reports of server "s1"`},
		{"a foreign certificate", "s2", func(m *message) {}, `came from "s2"`},
		{"a foreign address", "", func(m *message) { m.Address = other.Addr() }, "that member is at " + s.Addr()},
		{"another run", "", func(m *message) { m.Report.Incarnation++ }, "another run"},
		{"no member", "", func(m *message) { m.From, m.Report.Server = "s9", "s9" }, "not a member"},
		{"this node itself", "", func(m *message) { m.From, m.Report.Server = "booster-a", "booster-a" }, "own name"},
	} {
		m := base(99, ServerDown)
		c.change(&m)
		if err := take(m, c.sender); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if got := a.Reports(); len(got) != 1 || got[0].State != ServerUp {
		t.Errorf("a refused report was kept: %+v", got)
	}
	if err := take(base(11, ServerDown), "s1"); err != nil || a.Reports()[0].State != ServerDown {
		t.Errorf("a newer report: %v, %+v", err, a.Reports())
	}
}

// Too large for a packet, so TCP alone carries it.
func TestLargeReport(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, s)
	want := report("s1")
	want.Reason, want.Database = strings.Repeat("理", maxReportText/3), strings.Repeat("\\", maxReportText)
	b, err := message{From: "s1", Address: s.Addr(), Report: want}.encode()
	if err != nil || len(b) <= maxFrame {
		t.Fatalf("the report has %d bytes, %v", len(b), err)
	}
	if err := s.SetReport(want); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "it comes", func() bool { r := a.Reports(); return len(r) == 1 && r[0].same(want) })
	observe.Eventually(t, "it is counted", func() bool { return s.Metrics().MessagesSent > 0 })
}

// Where UDP does not get through, reports come over TCP.
func TestReportsWithoutPackets(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	s := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, s)
	// Closing only the socket that sends is what a firewall looks like.
	if err := s.transport.udp.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.SetReport(report("s1")); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the first comes", func() bool { return len(a.Reports()) == 1 })
	want := report("s1")
	want.State, want.Ready = ServerDown, false
	if err := s.SetReport(want); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "a change comes", func() bool { return a.Reports()[0].same(want) })
	observe.Eventually(t, "both were confirmed", func() bool { return s.Metrics().MessagesSent >= 2 })
	stays(t, "what is confirmed is not sent again", 10*s.timing.report, func() bool { return s.Metrics().MessagesSent == 2 })

	// A booster that was restarted knows nothing.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := newNode(t, "booster-a", KindBooster, func(c *Config) { c.Listen = a.Addr() })
	observe.Eventually(t, "its next run is told", func() bool { r := again.Reports(); return len(r) == 1 && r[0].same(want) })
}

func TestWhoMustBeTold(t *testing.T) {
	s := newReports()
	out := func(incarnation, version uint64) outgoing {
		return outgoing{to: "b", told: told{incarnation: incarnation, version: version, waits: true}}
	}
	must := func(what string, o outgoing, want bool) {
		t.Helper()
		if got := s.mustTell(o); got != want {
			t.Errorf("%s: must be told: %v", what, got)
		}
	}
	must("nothing sent yet", out(1, 1), true)
	must("it waits in the queue", out(1, 1), false)
	s.answered(out(1, 1), false)
	must("it could not be sent", out(1, 1), true)
	s.answered(out(1, 1), true)
	must("it has it", out(1, 1), false)
	must("it has changed", out(1, 2), true)
	s.answered(out(1, 1), true) // an answer that comes late
	must("the change waits", out(1, 2), false)
	s.answered(out(1, 2), false)
	must("the change could not be sent", out(1, 2), true)
	s.answered(out(1, 2), true)
	must("the booster was restarted", out(2, 2), true)
	s.forget([]string{"b"})
	must("it was forgotten", out(2, 2), true)
}

func TestPeriodsGrowWithTheCluster(t *testing.T) {
	n := new(Node)
	for members, want := range map[int32]time.Duration{0: 1, 1: 1, 32: 1, 33: 2, 202: 7, 1002: 32} {
		n.reachable.Store(members)
		if got := n.perSize(time.Second); got != want*time.Second {
			t.Errorf("%d members: every %v, want %v", members, got, want*time.Second)
		}
	}
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	s := prepare(t, "s1", KindAgent, nil) // not started: nobody empties the queue
	s.members.update([]Member{{Name: "b", Kind: KindBooster, State: Alive, Address: "127.0.0.1:1"}}, time.Now())
	for i := range queueLength + 3 {
		r := report("s1")
		r.Restarts = i
		if err := s.SetReport(r); err != nil {
			t.Fatal(err)
		}
		s.sendReport(false)
	}
	if m := s.Metrics(); m.MessagesDropped != 3 {
		t.Errorf("%d were dropped", m.MessagesDropped)
	}
}

func FuzzDecodeMessage(f *testing.F) {
	r := report("s1")
	b, err := message{From: "s1", Address: "10.0.0.21:5169", Report: r}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"from":"s1","report":{"server":"s1","capacity":1e9}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMessage(b)
		if err != nil {
			return
		}
		if err := m.Report.Validate(); err != nil {
			t.Error(err)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxMessage {
			return
		}
		m2, err := decodeMessage(again)
		if err != nil || !m2.Report.Time.Equal(m.Report.Time) || !m2.Report.same(m.Report) || m2.From != m.From {
			t.Errorf("%+v became %+v, %v", m, m2, err)
		}
	})
}

func TestStatesAreListed(t *testing.T) {
	if len(slices.Compact(slices.Sorted(slices.Values(serverStates)))) != 5 {
		t.Errorf("states %v", serverStates)
	}
}
