package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/oracleexporter"
	"github.com/omflow/booster/internal/testbed/observe"
)

// oraclePage is an exporter's, as of a database with one full tablespace.
const oraclePage = `# TYPE oracledb_up gauge
oracledb_up{database="omflow"} 1
oracledb_exporter_build_info{version="2.4.2"} 1
oracledb_sessions_value{database="omflow",inst_id="1",status="ACTIVE",type="USER"} 3
oracledb_sessions_value{database="omflow",inst_id="2",status="ACTIVE",type="USER"} 1
oracledb_sessions_value{database="omflow",inst_id="1",status="INACTIVE",type="USER"} 37
oracledb_wait_time_user_io{database="omflow",inst_id="1",con_id="3"} 730.5
oracledb_wait_time_commit{database="omflow",inst_id="1",con_id="3"} 41
oracledb_tablespace_bytes{database="omflow",tablespace="OMFLOW_DATA",type="PERMANENT"} 99
oracledb_tablespace_max_bytes{database="omflow",tablespace="OMFLOW_DATA",type="PERMANENT"} 100
oracledb_tablespace_bytes{database="omflow",tablespace="USERS",type="PERMANENT"} 10
oracledb_tablespace_max_bytes{database="omflow",tablespace="USERS",type="PERMANENT"} 100
`

// oracleBed is a booster in Caddy, and an agent that reads a fake exporter.
type oracleBed struct {
	*caddyBed
	exporter *httptest.Server
	answer   atomic.Pointer[http.HandlerFunc]
	agent    *gossip.Node
}

func newOracleBed(t *testing.T) *oracleBed {
	o := &oracleBed{caddyBed: newBed(t)}
	o.exporter = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*o.answer.Load())(w, r) }))
	t.Cleanup(o.exporter.Close)
	o.page(oraclePage)
	reader, err := oracleexporter.New(oracleexporter.Config{
		URL: o.exporter.URL + "/metrics", Interval: 10 * time.Millisecond, Timeout: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { reader.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	address := freeAddress(t)
	o.load(o.cluster(address, "", "") + fmt.Sprintf("http://%s {\nmetrics /metrics\n}\n", o.metricsSite()))
	o.agent = peer(t, "s1", gossip.KindAgent, address)
	mux := http.NewServeMux()
	mux.Handle(oracleexporter.Path, reader)
	o.agent.SetHandler(mux)
	return o
}

// metricsSite is a second site, on the same port by another name.
func (o *oracleBed) metricsSite() string {
	return "localhost:" + o.site[strings.LastIndexByte(o.site, ':')+1:]
}

func (o *oracleBed) set(f http.HandlerFunc) { o.answer.Store(&f) }

func (o *oracleBed) page(text string) {
	o.set(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
}

// metrics are the lines about Oracle on Caddy's own metrics page.
func (o *oracleBed) metrics() (lines string, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+o.site+"/metrics", nil)
	if err != nil {
		return "", err
	}
	req.Host = o.metricsSite()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s, %w", resp.StatusCode, b.String(), err)
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "omflow_booster_oracle_") && !strings.Contains(line, "_age_seconds") {
			out.WriteString(line)
		}
	}
	return out.String(), nil
}

func (o *oracleBed) await(what string, ok func(OracleStatus) bool) (Status, OracleStatus) {
	o.t.Helper()
	var got Status
	observe.Succeeds(o.t, what, func() (err error) {
		if got, err = o.status(); err != nil {
			return err
		}
		if len(got.Oracle) != 1 || !ok(got.Oracle[0]) {
			return fmt.Errorf("%+v", got.Oracle)
		}
		return nil
	})
	return got, got.Oracle[0]
}

// TestOracle: what an agent reads of Oracle's exporter is in the status and on the
// metrics page, and what becomes of the exporter, too.
func TestOracle(t *testing.T) {
	o := newOracleBed(t)
	status, oracle := o.await("a good page", func(s OracleStatus) bool { return s.ExporterUp })
	if oracle.Server != "s1" || !oracle.DatabaseUp() || oracle.Page.Sessions[0].Count != 4 || oracle.Page.Tablespaces[0].Name != "OMFLOW_DATA" {
		t.Errorf("%+v, %+v", oracle, oracle.Page)
	}
	if !strings.Contains(strings.Join(status.Problems, "\n"), "tablespace OMFLOW_DATA is 99 % full") {
		t.Errorf("problems %q", status.Problems)
	}
	const whole = `omflow_booster_oracle_exporter_up{server="s1"} 1
omflow_booster_oracle_sessions{server="s1",status="ACTIVE",type="USER"} 4
omflow_booster_oracle_sessions{server="s1",status="INACTIVE",type="USER"} 37
omflow_booster_oracle_tablespace_max_bytes{server="s1",tablespace="OMFLOW_DATA",type="PERMANENT"} 100
omflow_booster_oracle_tablespace_max_bytes{server="s1",tablespace="USERS",type="PERMANENT"} 100
omflow_booster_oracle_tablespace_used_bytes{server="s1",tablespace="OMFLOW_DATA",type="PERMANENT"} 99
omflow_booster_oracle_tablespace_used_bytes{server="s1",tablespace="USERS",type="PERMANENT"} 10
omflow_booster_oracle_up{server="s1"} 1
omflow_booster_oracle_wait_seconds_total{class="commit",server="s1"} 41
omflow_booster_oracle_wait_seconds_total{class="user_io",server="s1"} 730.5
`
	if got, err := o.metrics(); err != nil || got != whole {
		t.Errorf("metrics: %v\n%s", err, got)
	}
}

func TestOracleExporterFails(t *testing.T) {
	o := newOracleBed(t)
	o.await("a good page", func(s OracleStatus) bool { return s.ExporterUp })
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	const down = "omflow_booster_oracle_exporter_up{server=\"s1\"} 0\nomflow_booster_oracle_up{server=\"s1\"} 0\n"
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		reason string
	}{
		{"garbage", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("\x00\xffgarbage\n"), 5000))
		}, "no page of Oracle's exporter"},
		{"100 MB", func(w http.ResponseWriter, _ *http.Request) {
			piece := []byte("oracledb_other{a=\"" + strings.Repeat("x", 32<<10) + "\"} 1\n") // long lines are quicker
			for range 100 << 20 / len(piece) {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}, "longer than 8 MB"},
		{"slow drip", func(w http.ResponseWriter, r *http.Request) {
			for {
				_, _ = w.Write([]byte("oracledb_up 1\n"))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(20 * time.Millisecond):
				case <-r.Context().Done():
					return
				case <-stop:
					return
				}
			}
		}, "no whole page within"},
		{"death", nil, "nothing answers"},
	} {
		if tt.answer == nil {
			o.exporter.Close()
		} else {
			o.set(tt.answer)
		}
		status, oracle := o.await(tt.name, func(s OracleStatus) bool { return !s.ExporterUp && strings.Contains(s.Reason, tt.reason) })
		if oracle.DatabaseUp() || oracle.Page == nil || oracle.AgeSeconds == nil || *oracle.AgeSeconds <= 0 {
			t.Errorf("%s: %+v", tt.name, oracle)
		}
		if strings.Contains(strings.Join(status.Problems, "\n"), "tablespace") {
			t.Errorf("%s: an old page is a problem of now: %q", tt.name, status.Problems)
		}
		observe.Succeeds(t, tt.name+" on the metrics page", func() error {
			got, err := o.metrics()
			if err == nil && got != down {
				err = fmt.Errorf("metrics:\n%s", got)
			}
			return err
		})
	}
	// The agent stands still, or its control API: its last answer grows older.
	_, before := o.await("age", func(s OracleStatus) bool { return s.AgeSeconds != nil })
	o.agent.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	_, after := o.await("a silent agent", func(s OracleStatus) bool { return s.Reason == errAgentSilent.Error() })
	if after.Page == nil || *after.AgeSeconds < *before.AgeSeconds {
		t.Errorf("%+v, before %+v", after, before)
	}
	// The option is gone.
	o.agent.SetHandler(http.NotFoundHandler())
	observe.Succeeds(t, "no option", func() error {
		s, err := o.status()
		if err == nil && s.Oracle != nil {
			err = fmt.Errorf("%+v", s.Oracle)
		}
		return err
	})
	if got, err := o.metrics(); err != nil || got != "" {
		t.Errorf("metrics without the option: %v\n%s", err, got)
	}
}

// TestOraclePrinted: the words of the status.
func TestOraclePrinted(t *testing.T) {
	age := 3.2
	page, err := oracleexporter.Parse(strings.NewReader(oraclePage), "")
	if err != nil {
		t.Fatal(err)
	}
	good := oracleexporter.Reading{URL: "http://127.0.0.1:9161/metrics", ExporterUp: true, AgeSeconds: &age, Page: page}
	for _, tt := range []struct {
		reading oracleexporter.Reading
		want    string
	}{
		{good, `
Oracle, as s1 reads it from http://127.0.0.1:9161/metrics: the database is up, as of 3s ago
  Sessions: 4 active user, 37 inactive user
  Waited since its start: user_io 730 s, commit 41 s
  Fullest tablespaces: OMFLOW_DATA 99% of 0.0 GiB, USERS 10% of 0.0 GiB
`},
		{good.Late(time.Minute, fmt.Errorf("nothing answers at 127.0.0.1:9161:\x1b[2J is the exporter running?")), `
Oracle, as s1 reads it from http://127.0.0.1:9161/metrics: the exporter can't be read: nothing answers at 127.0.0.1:9161: [2J is the exporter running?; the last good page was read 1m3s ago and said that the database is up
`},
		{oracleexporter.Reading{URL: "http://h/metrics", Reason: "it was not asked yet"}, `
Oracle, as s1 reads it from http://h/metrics: the exporter can't be read: it was not asked yet
`},
		{oracleexporter.Reading{URL: "http://h/metrics", ExporterUp: true, AgeSeconds: &age, Page: &oracleexporter.Page{}}, `
Oracle, as s1 reads it from http://h/metrics: the database is DOWN, as of 3s ago
`},
	} {
		var out strings.Builder
		OracleStatus{"s1", tt.reading}.print(&out)
		if out.String() != tt.want {
			t.Errorf("printed\n%s\nwant\n%s", out.String(), tt.want)
		}
	}
}

// TestOracleFields: the names in the status are what programs rely on.
func TestOracleFields(t *testing.T) {
	age := 1.5
	b, err := json.Marshal(OracleStatus{"s1", oracleexporter.Reading{
		URL: "http://h/metrics", ExporterUp: true, AgeSeconds: &age, Page: &oracleexporter.Page{
			Up: true, Version: "2.4.2", Sessions: []oracleexporter.Sessions{{Status: "ACTIVE", Type: "USER", Count: 4}},
			Waits: []oracleexporter.Wait{{Class: "commit", Seconds: 41}}, Tablespaces: []oracleexporter.Tablespace{{Name: "USERS", Type: "PERMANENT", Used: 1, Max: 2}},
		},
	}})
	const want = `{"server":"s1","url":"http://h/metrics","exporter_up":true,"age_seconds":1.5,"page":{"up":true,` +
		`"sessions":[{"status":"ACTIVE","type":"USER","count":4}],"waits":[{"class":"commit","seconds":41}],` +
		`"tablespaces":[{"name":"USERS","type":"PERMANENT","used_bytes":1,"max_bytes":2}],"exporter_version":"2.4.2"}}`
	if err != nil || string(b) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b, want)
	}
}

func TestOracleExporterCommand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "it's the exporter's.yaml")
	const url = "oracle://omflow:s3cret@10.0.0.5/ORCLPDB1"
	write := func(args ...string) (int, string, string) {
		t.Helper()
		code, stdout, stderr := command(t, append([]string{"oracle-exporter", "--file", file}, args...)...)
		if strings.Contains(stdout+stderr, "s3cret") {
			t.Errorf("the password shows:\n%s%s", stdout, stderr)
		}
		return code, stdout, stderr
	}
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	code, stdout, stderr := write("--url", url)
	if code != 0 || stderr != "" {
		t.Fatalf("%d, %s", code, stderr)
	}
	for _, want := range []string{file + ": written", `GRANT SELECT_CATALOG_ROLE TO "OMFLOW";`, "read -rs OMFLOW_ORACLE_PASSWORD",
		`--config.file '` + strings.ReplaceAll(file, "'", `'\''`) + "'", "oracle_exporter http://127.0.0.1:9161/metrics"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, stdout)
		}
	}
	first := read()
	if strings.Contains(first, "s3cret") || !strings.Contains(first, `url: "10.0.0.5:1521/ORCLPDB1"`) {
		t.Errorf("it wrote\n%s", first)
	}
	if code, stdout, _ := write("--url", url); code != 0 || !strings.Contains(stdout, "is there as it should be") {
		t.Errorf("again: %d, %s", code, stdout)
	}
	code, stdout, stderr = write("--url", url, "--user", "monitor")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "--force") || !strings.Contains(stderr, `+    username: "monitor"`) || read() != first {
		t.Errorf("over another: %d, %s%s", code, stdout, stderr)
	}
	code, stdout, _ = write("--url", url, "--user", "monitor", "--listen", ":9200", "--force")
	if code != 0 || !strings.Contains(read(), `username: "monitor"`) || !strings.Contains(stdout, `CREATE USER "MONITOR"`) || !strings.Contains(stdout, ":9200/metrics") {
		t.Errorf("with --force: %d, %s", code, stdout)
	}
	settings := filepath.Join(dir, "settings.py")
	text := `DATABASES = {"default": {"ENGINE": "django.db.backends.oracle", "NAME": "db:1522/XEPDB1", "USER": "omflow", "PASSWORD": "s3cret"}}` + "\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := write("--settings", settings, "--force"); code != 0 || !strings.Contains(read(), `url: "db:1522/XEPDB1"`) {
		t.Errorf("settings.py: %d, %s%s", code, stdout, stderr)
	}
	for _, tt := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{nil, 2, "takes --settings and a settings.py, or --url"},
		{[]string{"--url", url, "--settings", settings}, 2, "takes --settings"},
		{[]string{"--url", "postgres://omflow:s3cret@h/d", "--force"}, 1, "for Oracle alone"},
		{[]string{"--url", "sqlite:///x"}, 1, "SQLite"},
		{[]string{"--url", url, "--listen", "9161", "--force"}, 1, "host:port"},
		{[]string{"--settings", filepath.Join(dir, "none.py")}, 1, "none.py"},
	} {
		before := read()
		if code, stdout, stderr := write(tt.args...); code != tt.code || stdout != "" || !strings.Contains(stderr, tt.stderr) || read() != before {
			t.Errorf("%q: %d, %s%s", tt.args, code, stdout, stderr)
		}
	}
}
