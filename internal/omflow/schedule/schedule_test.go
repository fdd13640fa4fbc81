package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/database"
)

// at is a time on the wall, of 2026-11-26, a Thursday, unless it has a date.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	if len(text) <= len("15:04:05.000") {
		text = "2026-11-26 " + text
	}
	parsed, err := time.Parse(Layout, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func must(t testing.TB, row database.Schedule) Schedule {
	t.Helper()
	s, err := New(row, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func texts(due []Due) string {
	var all []string
	for _, d := range due {
		all = append(all, d.At.Format("2 15:04:05"))
	}
	return strings.Join(all, ", ")
}

func last(id int64, text string) string { return fmt.Sprintf(`{"%d": "%s"}`, id, text) }

func TestMissed(t *testing.T) {
	for _, test := range []struct {
		name            string
		row             database.Schedule
		ran, ended, now string
		missed, unknown string
	}{
		{"a minute that fell into the gap",
			database.Schedule{Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:30", Last: last(1, "2026-11-26 09:59:30")},
			"10:00:25", "10:00:25", "10:00:40", "26 10:00:30", ""},
		{"one that did not",
			database.Schedule{Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:30", Last: last(1, "2026-11-26 10:00:30")},
			"10:00:35", "10:00:35", "10:00:50", "", ""},
		{"one that was fired at the last moment",
			database.Schedule{Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:30", Last: last(1, "2026-11-26 10:00:30")},
			"10:00:30.2", "10:00:30.2", "10:00:50", "", ""},
		{"one of which that is not known",
			database.Schedule{Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:30", Last: last(1, "2026-11-26 09:59:30")},
			"10:00:30.2", "10:00:30.2", "10:00:50", "", "26 10:00:30"},
		{"due right after the end, by another's clock",
			database.Schedule{Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:30", Last: last(1, "2026-11-26 09:59:30")},
			"10:00:29.7", "10:00:29.7", "10:00:50", "", "26 10:00:30"},
		{"a server that was lost, and may have gone on",
			database.Schedule{Cycle: "Secondly", Every: "5", Exec: "2026-01-01 00:00:00", Last: last(1, "2026-11-26 10:00:00")},
			"10:00:02", "10:00:15", "10:00:22", "26 10:00:20", "26 10:00:05, 26 10:00:10, 26 10:00:15"},
		{"what it has fired since is known",
			database.Schedule{Cycle: "Secondly", Every: "5", Exec: "2026-01-01 00:00:00", Last: last(1, "2026-11-26 10:00:10")},
			"10:00:02", "10:00:15", "10:00:22", "26 10:00:20", "26 10:00:15"},
		{"each time of a fast one",
			database.Schedule{Cycle: "Secondly", Every: "2", Exec: "2026-01-01 00:00:00", Last: last(1, "2026-11-26 10:00:00")},
			"10:00:00.8", "10:00:00.8", "10:00:06", "26 10:00:02, 26 10:00:04, 26 10:00:06", ""},
		{"a fast one that ran until now, looked at from long before",
			database.Schedule{Cycle: "Secondly", Every: "1", Exec: "2026-01-01 00:00:00", Last: last(1, "2026-11-26 10:00:00")},
			"09:00:00", "10:00:00.8", "10:00:03", "26 10:00:02, 26 10:00:03", "26 10:00:01"},
		{"hours",
			database.Schedule{Cycle: "Hourly", Every: "3", Exec: "2026-01-01 01:00:00", Last: last(1, "2026-11-26 07:00:00")},
			"09:59:50", "09:59:50", "10:00:10", "26 10:00:00", ""},
		{"hours, by the first time",
			database.Schedule{Cycle: "Hourly", Every: "3", Exec: "2026-01-01 01:00:00"},
			"09:59:50", "09:59:50", "10:00:10", "26 10:00:00", ""},
		{"the first time of all",
			database.Schedule{Cycle: "Minutely", Every: "7", Exec: "2026-11-26 10:00:00"},
			"09:59:50", "09:59:50", "10:00:10", "26 10:00:00", ""},
		{"a first time to come",
			database.Schedule{Cycle: "Minutely", Every: "1", Exec: "2026-11-26 11:00:00"},
			"09:59:50", "09:59:50", "10:00:10", "", ""},
		{"a period that begins anew at each start",
			database.Schedule{Cycle: "Minutely", Every: "7", Exec: "2026-11-26 09:00:00"},
			"09:55:50", "09:55:50", "10:00:10", "", ""},
		{"weekly, on its day",
			database.Schedule{Cycle: "Weekly", Every: "1", Days: "['Monday', 'Thursday']", Exec: "2026-01-01 10:00:00"},
			"09:59:50", "09:59:50", "10:00:10", "26 10:00:00", ""},
		{"weekly, fired",
			database.Schedule{Cycle: "Weekly", Every: "1", Days: "['Thursday']", Exec: "2026-01-01 10:00:00", Last: `{"1_Thursday": "2026-11-26 10:00:00"}`},
			"09:59:50", "10:00:05", "10:00:10", "", ""},
		{"weekly, fired on another day",
			database.Schedule{Cycle: "Weekly", Every: "1", Days: "['Thursday']", Exec: "2026-01-01 10:00:00", Last: `{"1_Friday": "2026-11-27 10:00:00"}`},
			"09:59:50", "09:59:50", "10:00:10", "26 10:00:00", ""},
		{"weekly, not its day",
			database.Schedule{Cycle: "Weekly", Every: "1", Days: "['Monday']", Exec: "2026-01-01 10:00:00"},
			"09:59:50", "09:59:50", "10:00:10", "", ""},
		{"every other week, not this one",
			database.Schedule{Cycle: "Weekly", Every: "2", Days: "['Thursday']", Exec: "2026-01-01 10:00:00", Next: `{"1_Thursday": "2026-12-03 10:00:00"}`},
			"09:59:50", "09:59:50", "10:00:10", "", ""},
		{"every other week, this one",
			database.Schedule{Cycle: "Weekly", Every: "2", Days: "['Thursday']", Exec: "2026-01-01 10:00:00", Next: `{"1_Thursday": "2026-11-26 10:00:00"}`},
			"09:59:50", "09:59:50", "10:00:10", "26 10:00:00", ""},
		{"weekly, over midnight",
			database.Schedule{Cycle: "Weekly", Every: "1", Days: "['Friday']", Exec: "2026-01-01 00:00:05"},
			"23:59:50", "23:59:50", "2026-11-27 00:00:10", "27 00:00:05", ""},
		{"weekly, before its first day",
			database.Schedule{Cycle: "Weekly", Every: "1", Days: "['Thursday']", Exec: "2026-12-01 10:00:00"},
			"09:59:50", "09:59:50", "10:00:10", "", ""},
	} {
		test.row.ID = 1
		missed, unknown := Missed([]Schedule{must(t, test.row)}, at(t, test.ran), at(t, test.ended), at(t, test.now))
		if texts(missed) != test.missed || texts(unknown) != test.unknown {
			t.Errorf("%s: missed %s, unknown %s; want %s and %s", test.name, texts(missed), texts(unknown), test.missed, test.unknown)
		}
	}
}

func TestQuiet(t *testing.T) {
	minutely := func(second string) Schedule {
		return must(t, database.Schedule{ID: 1, Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:" + second})
	}
	every := func(n string) Schedule {
		return must(t, database.Schedule{ID: 2, Cycle: "Secondly", Every: n, Exec: "2026-01-01 00:00:00"})
	}
	const s, ms = time.Second, time.Millisecond
	for _, test := range []struct {
		name          string
		list          []Schedule
		now           string
		before, after time.Duration
		want          time.Duration
	}{
		{"nothing", nil, "10:00:00", s, 5 * s, 0},
		{"nothing near", []Schedule{minutely("30")}, "10:00:10", s, 5 * s, 0},
		{"soon", []Schedule{minutely("30")}, "10:00:27", 0, 5 * s, 3*s + ms},
		{"soon, and a while after it", []Schedule{minutely("30")}, "10:00:27", s, 5 * s, 4*s + ms},
		{"just now", []Schedule{minutely("30")}, "10:00:30.4", s, 5 * s, 600*ms + ms},
		{"one after the other", []Schedule{minutely("30"), minutely("34")}, "10:00:28", 0, 5 * s, 6*s + ms},
		{"too many", []Schedule{minutely("30"), minutely("34"), minutely("38")}, "10:00:28", 0, 5 * s, 0},
		{"fast, but not too fast", []Schedule{every("6")}, "10:00:03", 0, 5 * s, 3*s + ms},
		{"too fast", []Schedule{every("5")}, "10:00:03", 0, 5 * s, 0},
		{"too fast beside one that is not", []Schedule{every("1"), minutely("30")}, "10:00:29", 0, 5 * s, s + ms},
	} {
		if got := Quiet(test.list, at(t, test.now), test.before, test.after, 8*s); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestSummary(t *testing.T) {
	a, b := Due{1, "schedule 1", at(t, "10:00:00")}, Due{2, "schedule 2", at(t, "10:00:01")}
	later := Due{1, "schedule 1", at(t, "10:00:02")}
	got := fmt.Sprint(strings.Join(Summary([]Due{a, b, later}), "; "))
	if want := "schedule 1 due 2026-11-26 10:00:00 and 1 times more until 2026-11-26 10:00:02; schedule 2 due 2026-11-26 10:00:01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSkipped(t *testing.T) {
	list := []Schedule{
		must(t, database.Schedule{ID: 1, Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:30", Last: last(1, "2026-11-26 09:59:30")}),
		must(t, database.Schedule{ID: 2, Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:31", Last: last(2, "2026-11-26 10:00:31")}),
		must(t, database.Schedule{ID: 3, Cycle: "Secondly", Every: "2", Exec: "2026-01-01 00:00:01", Last: last(3, "2026-11-26 10:00:33")}),
		must(t, database.Schedule{ID: 4, Cycle: "Minutely", Every: "1", Exec: "2026-01-01 00:00:40", Last: last(4, "2026-11-26 09:59:40")}),
	}
	var got []string
	for _, d := range Skipped(list, at(t, "10:00:29.5"), at(t, "10:00:34")) {
		got = append(got, d.String())
	}
	if want := "[schedule 1 due 2026-11-26 10:00:30 schedule 3 due 2026-11-26 10:00:31]"; fmt.Sprint(got) != want {
		t.Errorf("skipped %v, want %s", got, want)
	}
}

func TestNew(t *testing.T) {
	taipei, err := time.LoadLocation("Asia/Taipei")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(database.Schedule{ID: 12, Flow: "任務單\n", Cycle: "Hourly", Every: "1", Exec: "2026-01-01 01:00:00", ExecUTC: true, Last: `{"12": "2026-11-26 10:00:00.5"}`}, taipei)
	if err != nil || s.Name != "schedule 12 of flow 任務單 " || !s.first.Equal(at(t, "2026-01-01 09:00:00")) || !s.last.Equal(at(t, "10:00:00.5")) {
		t.Errorf("%+v, %v", s, err)
	}
	good := database.Schedule{ID: 1, Cycle: "Weekly", Every: "1", Days: "['Monday']", Exec: "2026-01-01 01:00:00"}
	for name, spoil := range map[string]func(*database.Schedule){
		"every":           func(r *database.Schedule) { r.Every = "often" },
		"every, none":     func(r *database.Schedule) { r.Every = "0" },
		"every, too many": func(r *database.Schedule) { r.Every = "99999999" },
		"cycle":           func(r *database.Schedule) { r.Cycle = "Daily" },
		"days":            func(r *database.Schedule) { r.Days = "[]" },
		"exec_time":       func(r *database.Schedule) { r.Exec = "" },
		"an old time":     func(r *database.Schedule) { r.Exec = "0001-01-01 00:00:00" },
		"last_exec_time":  func(r *database.Schedule) { r.Last = "[]" },
		"a last time":     func(r *database.Schedule) { r.Last = `{"1": "yesterday"}` },
		"next_exec_time":  func(r *database.Schedule) { r.Next = "{" },
	} {
		bad := good
		spoil(&bad)
		if s, err := New(bad, time.UTC); err == nil {
			t.Errorf("a bad %s is taken: %+v", name, s)
		}
	}
}

// TestWall: OMFLOW goes by what the clock shows, whatever the zone does.
func TestWall(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for utc, want := range map[string]string{
		"2026-10-25 00:59:59": "2026-10-25 02:59:59", "2026-10-25 01:00:00": "2026-10-25 02:00:00", // the hour is repeated
		"2026-03-29 00:59:59": "2026-03-29 01:59:59", "2026-03-29 01:00:00": "2026-03-29 03:00:00", // the hour is skipped
	} {
		if got := Wall(at(t, utc), berlin).Format(Layout); got != want {
			t.Errorf("%s UTC: %s, want %s", utc, got, want)
		}
	}
}

func FuzzMissed(f *testing.F) {
	f.Add("Minutely", "1", "[]", "2026-01-01 00:00:30", `{"1": "2026-11-26 09:59:30"}`, "")
	f.Add("Weekly", "2", "['Monday', 'Monday']", "0000-01-01 00:00:00", "", `{"1_Monday": "9999-12-31 23:59:59"}`)
	f.Fuzz(func(t *testing.T, cycle, every, days, exec, last, next string) {
		s, err := New(database.Schedule{ID: 1, Cycle: cycle, Every: every, Days: days, Exec: exec, Last: last, Next: next}, time.UTC)
		if err != nil {
			return
		}
		ran, ended, now := at(t, "10:00:00"), at(t, "10:00:05"), at(t, "10:10:00")
		missed, unknown := Missed([]Schedule{s}, ran, ended, now)
		if len(missed)+len(unknown) > maxDue {
			t.Errorf("%d times", len(missed)+len(unknown))
		}
		for _, d := range missed {
			if !d.At.After(ended) || d.At.After(now) {
				t.Errorf("missed %s", d)
			}
		}
		if wait := Quiet([]Schedule{s}, now, time.Second, time.Second, 5*time.Second); wait < 0 || wait > 5*time.Second {
			t.Errorf("waits %s", wait)
		}
	})
}
