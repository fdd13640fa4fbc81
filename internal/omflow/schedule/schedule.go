package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // TIME_ZONE is a name that Windows does not know

	"github.com/omflow/booster/internal/database"
)

// Layout is how OMFLOW writes times, Python's str of a datetime.
const Layout = "2006-01-02 15:04:05"

// maxName bounds a schedule's name in what people are told, in bytes.
const maxName = 60

// Schedule is one that OMFLOW does not make up for.
type Schedule struct {
	ID int64
	// Name is what people call it: its number and its flow.
	Name string

	period time.Duration // 0 for Weekly
	whole  bool          // period divides what OMFLOW aligns it by
	weeks  int
	days   []day     // of Weekly
	first  time.Time // when it was to fire first
	last   time.Time // fired last; zero: never
}

// day is one weekday of a weekly schedule, which OMFLOW keeps apart from the others.
type day struct {
	weekday    time.Weekday
	last, next time.Time // zero: never, not known
}

// Wall is what the clock on the wall of a zone shows.
func Wall(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// units are OMFLOW's cycles that a start skips, and what it aligns their periods by.
var units = map[string]struct{ unit, within time.Duration }{
	"Secondly": {time.Second, time.Minute},
	"Minutely": {time.Minute, time.Hour},
	"Hourly":   {time.Hour, 24 * time.Hour},
}

const weekly = "Weekly"

// Cycles are the cycles that [New] takes.
func Cycles() []string { return []string{"Secondly", "Minutely", "Hourly", weekly} }

// weekdays are the names in cycle_date, a list as Python writes it.
var (
	dayName  = regexp.MustCompile(`'(\w+)'`)
	weekdays = map[string]time.Weekday{
		"Sunday": 0, "Monday": 1, "Tuesday": 2, "Wednesday": 3, "Thursday": 4, "Friday": 5, "Saturday": 6,
	}
)

// New makes out what a row of the scheduler's table says. zone is TIME_ZONE.
func New(row database.Schedule, zone *time.Location) (Schedule, error) {
	s := Schedule{ID: row.ID, Name: "schedule " + strconv.FormatInt(row.ID, 10)}
	if row.Flow != "" {
		s.Name += " of flow " + bound(row.Flow)
	}
	fail := func(err error) (Schedule, error) { return Schedule{}, fmt.Errorf("read %s: %w", s.Name, err) }
	every, err := strconv.Atoi(row.Every)
	if err != nil || every < 1 || every > 1_000_000 {
		return fail(fmt.Errorf("every %.20q is no number of times", row.Every))
	}
	first, err := moment(row.Exec)
	if err != nil {
		return fail(fmt.Errorf("exec_time: %w", err))
	}
	if s.first = first; row.ExecUTC {
		s.first = Wall(first, zone)
	}
	last, err := times(row.Last)
	if err != nil {
		return fail(fmt.Errorf("last_exec_time: %w", err))
	}
	id := strconv.FormatInt(row.ID, 10)
	if u, ok := units[row.Cycle]; ok {
		s.period = time.Duration(every) * u.unit
		s.whole = u.within%s.period == 0
		s.last = last[id]
		return s, nil
	}
	if row.Cycle != weekly {
		return fail(fmt.Errorf("cycle %.20q is none that is skipped", row.Cycle))
	}
	next, err := times(row.Next)
	if err != nil {
		return fail(fmt.Errorf("next_exec_time: %w", err))
	}
	s.weeks = every
	for _, m := range dayName.FindAllStringSubmatch(row.Days, len(weekdays)) {
		if weekday, ok := weekdays[m[1]]; ok {
			s.days = append(s.days, day{weekday: weekday, last: last[id+"_"+m[1]], next: next[id+"_"+m[1]]})
		}
	}
	if len(s.days) == 0 {
		return fail(fmt.Errorf("cycle_date %.80q names no weekday", row.Days))
	}
	return s, nil
}

// moment reads a time, with or without a fraction of a second. One from before there were
// such schedules is none, and would be too far away to count from.
func moment(text string) (time.Time, error) {
	t, err := time.Parse(Layout, text)
	if err != nil || t.Year() < 2000 {
		return time.Time{}, fmt.Errorf("%.40q is no time", text)
	}
	return t, nil
}

// times reads a column that holds times by schedule, or by schedule and day.
func times(text string) (map[string]time.Time, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var by map[string]string
	if err := json.Unmarshal([]byte(text), &by); err != nil {
		return nil, errors.New("it is no object of times")
	}
	found := make(map[string]time.Time, len(by))
	for key, value := range by {
		t, err := moment(value)
		if err != nil {
			return nil, err
		}
		found[key] = t
	}
	return found, nil
}

// bound cuts a name that comes from the database.
func bound(name string) string {
	if len(name) > maxName {
		name = name[:maxName] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, ""))
}
