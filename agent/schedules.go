package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow/schedule"
	pysettings "github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// loadTime is how long an OMFLOW Server takes from its start until it has loaded its
	// schedules: 1 to 2 s, measured on OMFLOW 1.1.0.0 on an idle machine, and some room.
	loadTime = 5 * time.Second
	// quietLimit bounds how long a lead server's start, or end, is put off so that no
	// schedule is due meanwhile. Work is held at that time.
	quietLimit = 6 * time.Second
	// aroundEnd is how long before and after a lead process's end nothing should be due,
	// so that it is known of each time whether it was fired.
	aroundEnd = time.Second
	// recordTime is how long OMFLOW is given to write down what it has fired.
	recordTime = 2 * time.Second
	// journalPause is between two looks into the flow queue's journal.
	journalPause = 100 * time.Millisecond
	// maxVacancy is how long there may have been no lead server so that what was due
	// meanwhile is fired late. After a longer time it is an outage: nobody waits for what
	// was due in it any more, and all at once it could be a flood.
	maxVacancy = 5 * time.Minute
	// maxCaughtUp bounds what is fired for one time without a lead server.
	maxCaughtUp = 200
	// noticeTime is how long people are told of what somebody has to look after.
	noticeTime = 24 * time.Hour
)

// notices are what people are told of one kind of thing that somebody has to look after,
// for a day. They belong to the monitor's goroutine.
type notices struct{ list []notice }

type notice struct {
	text string
	at   time.Time
}

func (n *notices) add(now time.Time, texts []string) {
	for _, text := range texts {
		// In JSON a byte that is no UTF-8 would become three.
		text = strings.ToValidUTF8(text[:min(len(text), rollout.MaxNoticeText)], "")
		n.list = slices.DeleteFunc(n.list, func(e notice) bool { return e.text == text }) // what is still so
		n.list = append(n.list, notice{text, now})
	}
	n.list = n.list[max(0, len(n.list)-rollout.MaxNotices):]
}

func (n *notices) texts(now time.Time) (texts []string) {
	n.list = slices.DeleteFunc(n.list, func(e notice) bool { return now.Sub(e.at) > noticeTime })
	for _, e := range n.list {
		texts = append(texts, e.text)
	}
	return texts
}

// calendar reads the schedules that OMFLOW does not make up for. It may be used by
// several goroutines.
type calendar struct {
	data *data
	mu   sync.Mutex
	zone *time.Location // TIME_ZONE as last read
}

// read returns the schedules. With anew it looks again at settings.py for the time zone,
// which a server that runs does not.
func (c *calendar) read(ctx context.Context, anew bool) ([]schedule.Schedule, *time.Location, error) {
	db, err := c.data.opened()
	if err != nil {
		return nil, nil, err
	}
	rows, err := db.Schedules(ctx, schedule.Cycles())
	if err != nil || len(rows) == 0 {
		return nil, time.UTC, err
	}
	zone, err := c.timeZone(ctx, anew)
	if err != nil {
		return nil, nil, err
	}
	var list []schedule.Schedule
	for _, row := range rows {
		s, err := schedule.New(row, zone)
		if err != nil {
			c.data.log.Warn("a schedule can't be looked after when the lead server changes", "error", err)
			continue
		}
		list = append(list, s)
	}
	return list, zone, nil
}

func (c *calendar) timeZone(ctx context.Context, anew bool) (*time.Location, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.zone != nil && !anew {
		return c.zone, nil
	}
	read, err := pysettings.Read(ctx, c.data.source.settings())
	if read.TimeZone == "" {
		return nil, fmt.Errorf("read the time zone of schedules: %w", cmp.Or(err, errors.New("TIME_ZONE is empty")))
	}
	zone, err := time.LoadLocation(read.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("read the time zone of schedules: %w", err)
	}
	c.zone = zone
	return zone, nil
}

// quiet waits for a moment at which no schedule is due from before it until after it, or
// does not wait when that does not come soon. It reports whether something was due in
// between.
func quiet(ctx context.Context, list []schedule.Schedule, zone *time.Location, before, after, limit time.Duration) bool {
	wait := schedule.Quiet(list, schedule.Wall(time.Now(), zone), before, after, limit)
	return wait > 0 && pause(ctx, wait)
}

// pause waits, and reports false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// settleEnd waits for a moment at which a lead process can end: nothing is due, and what
// was due has run.
func (c *calendar) settleEnd(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	list, zone, err := c.read(ctx, false)
	if err != nil || !quiet(ctx, list, zone, aroundEnd, rollout.StopTime+aroundEnd, limit) {
		return
	}
	for ctx.Err() == nil {
		if read, err := c.data.journal(ctx); err != nil || len(read.Rows) == 0 || !pause(ctx, journalPause) {
			return
		}
	}
}

// catchUp has the lead server that is about to start fire what nobody has fired since the
// one before ended. It returns what is to be looked after by people, and until when it
// has looked.
func (c *calendar) catchUp(ctx context.Context, ran, ended time.Time) (told []string, until time.Time, err error) {
	list, zone, err := c.read(ctx, true)
	if err != nil {
		return nil, time.Time{}, err
	}
	db, err := c.data.opened()
	if err != nil {
		return nil, time.Time{}, err
	}
	quiet(ctx, list, zone, 0, loadTime, quietLimit)
	until = time.Now()
	due, unknown := schedule.Missed(list, schedule.Wall(ran, zone), schedule.Wall(ended, zone), schedule.Wall(until, zone))
	var left, unsure []schedule.Due
	switch {
	case until.Sub(ended) > maxVacancy:
		due, left = nil, due
	case len(due) > maxCaughtUp:
		due, left = due[:maxCaughtUp], due[maxCaughtUp:]
	}
	for _, d := range due {
		done, err := db.RunMissed(ctx, d.ID, d.At.Format(schedule.Layout))
		switch {
		case err != nil:
			unsure = append(unsure, d) // the answer may be what was lost
			c.data.log.Error("it is not known whether a schedule that was due while there was no lead server is fired now", "schedule", d.Name, "due", d.At.Format(schedule.Layout), "error", err)
		case done:
			c.data.log.Info("a schedule was due while there was no lead server; it is fired now", "schedule", d.Name, "due", d.At.Format(schedule.Layout))
		}
	}
	for _, line := range schedule.Summary(left) {
		told = append(told, line+" was not fired: there was no lead server")
	}
	for _, line := range schedule.Summary(unsure) {
		told = append(told, line+" may not have been fired: there was no lead server, and the database did not confirm that it is made up for")
	}
	for _, line := range schedule.Summary(unknown) {
		told = append(told, line+" may not have been fired: the lead server ended at about that time")
	}
	if len(due) > 0 {
		old := schedule.Wall(until.Add(-noticeTime), zone).Format(schedule.Layout)
		if err := db.ForgetMissed(ctx, old); err != nil {
			c.data.log.Debug("what was fired late stays among OMFLOW's schedules", "error", err)
		}
	}
	return told, until, nil
}

// prepareLead does what has to be done before a lead server's start, while no lead server
// runs. It takes no longer than the lease. Without a database there is nothing to do.
func (m *monitor) prepareLead(ctx context.Context, want rollout.Want) {
	p, c := m.part, m.calendar()
	p.prove = time.Time{}
	if c == nil {
		return
	}
	if p.searched != want.Grant {
		p.searched, p.prepared = want.Grant, 0 // the rest comes after this
		m.searchStranded(ctx, want)
		return
	}
	m.do("what comes before a lead server's start", func() error {
		within, cancel := context.WithDeadline(ctx, want.Until)
		defer cancel()
		err := c.data.removeEnded(within)
		if !want.Ran.IsZero() {
			told, until, caught := c.catchUp(within, want.Ran, want.Ended)
			if caught != nil && database.Classify(caught) != database.NoTable {
				told = append(told, "schedules that were due while there was no lead server are not known: see the log of agent "+m.name)
				err = errors.Join(err, caught)
			}
			select {
			case p.answers <- func() { m.tellMissed(told); p.prove = until }:
			case <-ctx.Done():
			}
		}
		if errors.Is(err, database.ErrNoJournal) {
			return nil // nothing was ever run from this database
		}
		return err
	})
}

// calendar returns the schedules of the server's database, nil without one.
func (m *monitor) calendar() *calendar {
	p := m.part
	switch {
	case m.data == nil:
		p.calendar = nil
	case p.calendar == nil || p.calendar.data != m.data:
		p.calendar = &calendar{data: m.data}
	}
	return p.calendar
}

// fillSchedules writes into a question what the boosters are to know for schedules.
func (m *monitor) fillSchedules(now time.Time, ask *rollout.Ask) {
	p := m.part
	ask.Ended = p.endedAgo(now)
	ask.Missed, ask.StrandedTickets, ask.FailedCommands = p.missed.texts(now), p.left.texts(now), p.failed.texts(now)
	if !p.stranded.IsZero() {
		ask.Stranded = max(1, now.Sub(p.stranded))
	}
}

// tellMissed tells people of schedules.
func (m *monitor) tellMissed(texts []string) {
	for _, text := range texts {
		m.log.LogAttrs(context.Background(), slog.LevelError, "a schedule needs somebody to look after it", slog.String("schedule", text))
	}
	m.part.missed.add(time.Now(), texts)
}

// proveSchedules looks, once a lead server is up, whether it was late for something that
// was due while it started.
func (m *monitor) proveSchedules(ctx context.Context) {
	p := m.part
	if p.prove.IsZero() || m.checks.Ready != health.Up {
		return
	}
	from, to, c := p.prove, time.Now(), m.calendar()
	p.prove = time.Time{}
	if c == nil {
		return
	}
	p.mourning.Go(func() {
		if !pause(ctx, recordTime) {
			return
		}
		list, zone, err := c.read(ctx, false)
		if err != nil {
			c.data.log.Warn("it is not known whether a schedule was skipped while the lead server started", "error", err)
			return
		}
		var told []string
		for _, line := range schedule.Summary(schedule.Skipped(list, schedule.Wall(from, zone), schedule.Wall(to, zone))) {
			told = append(told, line+" may have been skipped: the lead server was starting")
		}
		select {
		case p.answers <- func() { m.tellMissed(told) }:
		case <-ctx.Done():
		}
	})
}

// stopLead ends a lead process that is not to be the lead any more, at a moment at which
// no schedule is due, if one comes soon and the lease lasts.
func (m *monitor) stopLead(ctx context.Context) {
	c, limit := m.calendar(), min(quietLimit, time.Until(m.part.held)-2*rollout.StopTime)
	log := m.log
	m.do("stop", func() error {
		if c != nil && limit > 0 {
			c.settleEnd(ctx, limit)
		}
		log.Info("server is stopped: it is not the lead server any more")
		return m.sup.StopFast(ctx, rollout.StopTime)
	})
}
