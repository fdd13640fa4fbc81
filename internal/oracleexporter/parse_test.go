package oracleexporter

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func page(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		file, database string
		want           Page
	}{
		{"two_instances.txt", "", Page{
			Up: true, Version: "2.4.2",
			Sessions: []Sessions{{"ACTIVE", "USER", 5}, {"INACTIVE", "USER", 39}, {"ACTIVE", "BACKGROUND", 125}},
			Waits:    []Wait{{"commit", 42}, {"system_io", .25}, {"user_io", 742}},
			Tablespaces: []Tablespace{
				{"TEMP", "TEMPORARY", 20971520, 20971520},
				{"OMFLOW_DATA", "PERMANENT", 33285996544, 34359738368},
				{"SYSAUX", "PERMANENT", 812646400, 34359721984},
				{"SYSTEM", "PERMANENT", 301989888, 34359721984},
				{"UNDOTBS1", "UNDO", 52428800, 34359721984},
			},
		}},
		{"release_1_6.txt", "", Page{
			Up:          true,
			Sessions:    []Sessions{{"ACTIVE", "USER", 3}, {"INACTIVE", "USER", 9}},
			Waits:       []Wait{{"user_io", 4.5}},
			Tablespaces: []Tablespace{{"USERS", "PERMANENT", 5242880, 0}},
		}},
		{"two_databases.txt", "omflow", Page{
			Up: true, Sessions: []Sessions{{"ACTIVE", "USER", 7}}, Waits: []Wait{}, Tablespaces: []Tablespace{},
		}},
		{"two_databases.txt", "crm", Page{
			Sessions: []Sessions{{"ACTIVE", "USER", 200}}, Waits: []Wait{}, Tablespaces: []Tablespace{},
		}},
		{"down.txt", "omflow", Page{
			Version: "2.4.2", Sessions: []Sessions{}, Waits: []Wait{}, Tablespaces: []Tablespace{},
		}},
	} {
		got, err := Parse(strings.NewReader(page(t, tt.file)), tt.database)
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
		} else if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.file, *got, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	two := page(t, "two_databases.txt")
	for _, tt := range []struct{ page, database, want string }{
		{"", "", "no oracledb_up"},
		{"<html><body>It works!</body></html>\n", "", "no oracledb_up"},
		{"oracledb_upper 1\n", "", "no oracledb_up"},
		{"oracledb_up{database=\"omflow\"} one\n", "", "read the page"},
		{"oracledb_up 1\noracledb_sessions_value{status=\"ACTIVE\n", "", "read the page"},
		{"oracledb_up NaN\n", "", "neither"},
		{two, "", "2 databases: write one of crm/taipei, omflow/taipei"},
		{two, "hr", "no database hr"},
		{two, "taipei", "2 databases by the name taipei"},
		{page(t, "down.txt"), "hr", "no database hr: it has omflow"},
		{"oracledb_up 1\n#" + strings.Repeat("x", maxLine) + "\n", "", "a line of more than 64 kB"},
		{"oracledb_up 1\n" + strings.Repeat("oracledb_sessions_value 1\n", maxKeptLines), "", "too many"},
		{"oracledb_up 1\n" + strings.Repeat("oracledb_sessions_value{status=\""+strings.Repeat("x", maxLine/2)+"\"} 1\n", 65), "", "too many"},
		{"oracledb_up 1\n" + strings.Repeat("another_metric 1\n", maxPage/17), "", "longer than 8 MB"},
	} {
		got, err := Parse(strings.NewReader(tt.page), tt.database)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q, %q: %+v, %v, want %q", tt.page, tt.database, got, err, tt.want)
		}
	}
}

// TestParseReadsNoMore: what does not end is not read for ever.
func TestParseReadsNoMore(t *testing.T) {
	r := &endless{line: []byte("another_metric{a=\"b\"} 1\n")}
	if _, err := Parse(r, ""); err != errTooLong {
		t.Errorf("%v, want %v", err, errTooLong)
	}
	if r.read > maxPage+maxLine {
		t.Errorf("%d bytes were read", r.read)
	}
}

// endless is a page without an end.
type endless struct {
	line []byte
	read int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e.line[(e.read+n)%len(e.line):])
	}
	e.read += n
	return n, nil
}

func TestOddValues(t *testing.T) {
	long := strings.Repeat("資", 100)
	got, err := Parse(strings.NewReader(`oracledb_up 1
oracledb_sessions_value{status="ACTIVE",type="USER"} NaN
oracledb_sessions_value{status="KILLED",type="USER"} -3
oracledb_sessions_value{status="SNIPED",type="USER"} +Inf
oracledb_sessions_value{status="CACHED",type="USER"} 1e308
oracledb_sessions_value{status="CACHED",type="USER",inst_id="2"} 1e308
oracledb_wait_time_time_waited_sec_total{wait_class="User I/O"} 2
oracledb_tablespace_bytes{tablespace="a\n`+"\x1b[2J"+long+`",type="PERMANENT"} 5
oracledb_tablespace_max_bytes{tablespace="nothing used",type="PERMANENT"} 5
`), "")
	if err != nil {
		t.Fatal(err)
	}
	if want := []Sessions{{"CACHED", "USER", 1e308}}; !reflect.DeepEqual(got.Sessions, want) {
		t.Errorf("sessions %v, want %v", got.Sessions, want)
	}
	if want := []Wait{{"user_io", 2}}; !reflect.DeepEqual(got.Waits, want) {
		t.Errorf("waits %v, want %v", got.Waits, want)
	}
	if len(got.Tablespaces) != 1 || len(got.Tablespaces[0].Name) > maxText || strings.ContainsAny(got.Tablespaces[0].Name, "\n\x1b") {
		t.Errorf("tablespaces %+v", got.Tablespaces)
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("oracledb_up 1\n")
	for i := range maxTablespaces + 7 {
		fmt.Fprintf(&b, "oracledb_tablespace_bytes{tablespace=\"T%03d\",type=\"PERMANENT\"} %d\n", i, i)
		fmt.Fprintf(&b, "oracledb_tablespace_max_bytes{tablespace=\"T%03d\",type=\"PERMANENT\"} 1000\n", i)
	}
	for i := range maxWaits + 1 {
		fmt.Fprintf(&b, "oracledb_wait_time_class_%d 1\noracledb_sessions_value{status=\"S%d\"} 1\n", i, i)
	}
	p, err := Parse(strings.NewReader(b.String()), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Tablespaces) != maxTablespaces || p.More != 7 || p.Tablespaces[0].Name != "T206" {
		t.Errorf("%d tablespaces, %d more, the fullest %+v", len(p.Tablespaces), p.More, p.Tablespaces[0])
	}
	if len(p.Waits) != maxWaits || len(p.Sessions) != maxSessions {
		t.Errorf("%d waits, %d kinds of sessions", len(p.Waits), len(p.Sessions))
	}
}

func TestCritical(t *testing.T) {
	p := Page{Tablespaces: []Tablespace{
		{"TEMP", "TEMPORARY", 10, 10}, {"UNDO", "UNDO", 10, 10}, {"UNKNOWN", "PERMANENT", 10, 0},
		{"FULL", "PERMANENT", 97, 100}, {"BIG", "", 99, 100}, {"WELL", "PERMANENT", 96.9, 100},
	}}
	got := p.Critical()
	if len(got) != 2 || got[0].Name != "FULL" || got[1].Name != "BIG" {
		t.Errorf("%+v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"two_instances.txt", "two_databases.txt", "release_1_6.txt", "down.txt"} {
		f.Add(page(f, name), "omflow")
		f.Add(page(f, name), "")
	}
	f.Fuzz(func(t *testing.T, text, database string) {
		p, err := Parse(strings.NewReader(text), database)
		if err != nil {
			return
		}
		sound(t, p)
		if again := p.checked(); !reflect.DeepEqual(again, p) {
			t.Errorf("checked again:\n%+v, was\n%+v", again, p)
		}
	})
}

// sound checks what Page promises.
func sound(t *testing.T, p *Page) {
	t.Helper()
	seen := make(map[string]bool)
	check := func(list string, values []float64, words ...string) {
		key := fmt.Sprintf("%s %q", list, words)
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		for _, v := range values {
			if !(v >= 0) || math.IsInf(v, 0) {
				t.Errorf("%s: %v", key, v)
			}
		}
		for _, w := range words {
			if len(w) > maxText || strings.ContainsAny(w, "\n\r\x1b") {
				t.Errorf("%s: a text is too long or not plain", key)
			}
		}
	}
	for _, s := range p.Sessions {
		check("sessions", []float64{s.Count}, s.Status, s.Type)
	}
	for _, w := range p.Waits {
		check("wait", []float64{w.Seconds}, w.Class)
	}
	for _, s := range p.Tablespaces {
		check("tablespace", []float64{s.Used, s.Max, s.Full()}, s.Name, s.Type)
	}
	if len(p.Sessions) > maxSessions || len(p.Waits) > maxWaits || len(p.Tablespaces) > maxTablespaces || p.More < 0 {
		t.Errorf("too long: %d, %d, %d", len(p.Sessions), len(p.Waits), len(p.Tablespaces))
	}
}
