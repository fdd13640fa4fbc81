//go:build unix

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/omflow/booster/internal/oracleexporter"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestOracleExporterOption(t *testing.T) {
	for in, want := range map[string]string{
		"database settings {\noracle_exporter http://127.0.0.1:9161/metrics\n}":                       `{"database":"settings","oracle_exporter":{"url":"http://127.0.0.1:9161/metrics"}}`,
		"database oracle://omflow@db/s {\noracle_exporter https://a:b@db:9161/m omflow\n}\npython py": `{"python":"py","database":"oracle://omflow@db/s","oracle_exporter":{"url":"https://a:b@db:9161/m","database":"omflow"}}`,
		"database none {\noracle_exporter {env.EXPORTER}\n}":                                          `{"database":"none","oracle_exporter":{"url":"{env.EXPORTER}"}}`,
		"database settings {\n}":                                                                          `{"database":"settings"}`,
		"database {\noracle_exporter http://h/metrics\n}":                                                 "@database needs a value",
		"database settings {\noracle_exporter\n}":                                                         "@needs the URL",
		"database settings {\noracle_exporter http://h/metrics a b\n}":                                    "@needs the URL",
		"database settings {\noracle_exporter h:9161\n}":                                                  "@oracle_exporter: write the URL",
		"database settings {\noracle_exporter http://h:9161\n}":                                           "@the exporter's page is /metrics",
		"database settings {\noracle_exporter http://u:s3cret@h:9161/%zz\n}":                              "@write the URL",
		"database postgres://a@h/d {\noracle_exporter http://h/metrics\n}":                                "@the database is PostgreSQL: remove the option",
		"database settings {\nexporter http://h/metrics\n}":                                               `@unknown option "exporter" in database: write one of oracle_exporter`,
		"database settings {\noracle_exporter http://h/metrics\noracle_exporter http://h/metrics\n}":      "@given twice",
		"database settings more {\noracle_exporter http://h/metrics\noracle_exporter http://h/metrics\n}": "@takes no more than that",
	} {
		var a Agent
		err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser("agent {\n" + in + "\n}"))
		if words, refused := strings.CutPrefix(want, "@"); refused {
			if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s\nis refused with %v, want %s", in, err, words)
			}
			continue
		}
		if got, _ := json.Marshal(a); err != nil || string(got) != want {
			t.Errorf("%s\nis %s, %v\nwant %s", in, got, err, want)
		}
	}
}

// TestOracleExporterJSON: what only JSON can say wrongly.
func TestOracleExporterJSON(t *testing.T) {
	t.Setenv("OMFLOW_TEST_EXPORTER", "http://127.0.0.1:9161/metrics")
	o := &OracleExporter{URL: "{env.OMFLOW_TEST_EXPORTER}"}
	o.provision()
	if o.URL != "http://127.0.0.1:9161/metrics" || o.check(databaseSettings) != nil {
		t.Errorf("%+v, %v", o, o.check(databaseSettings))
	}
	if err := (&OracleExporter{}).check(databaseSettings); err == nil {
		t.Error("no URL is accepted")
	}
	var none *OracleExporter
	none.provision()
	if err := none.check("mysql://a@h/d"); err != nil {
		t.Error(err)
	}
}

// TestOracleExporter: the page is read while the option is there, over reloads that do
// not change it, and boosters are answered.
func TestOracleExporter(t *testing.T) {
	exporter := func(up string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("oracledb_up " + up + "\n")) }))
		t.Cleanup(s.Close)
		return s
	}
	first, second := exporter("1"), exporter("0")
	b := newBed(t)
	var agent *Agent
	reload := func(o *OracleExporter) {
		t.Helper()
		next := b.agent(func(a *Agent) { a.OracleExporter = o })
		b.start(next, nil)
		if agent != nil {
			if err := agent.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		agent = next
	}
	ask := func() (oracleexporter.Reading, error) {
		return oracleexporter.Ask(t.Context(), func(_ context.Context, _ string, req *http.Request) (*http.Response, error) {
			rec := httptest.NewRecorder()
			agent.inUse.r.serveReading(rec, req)
			return rec.Result(), nil
		}, "s1")
	}
	wait := func(what string, ok func(oracleexporter.Reading) bool) (r oracleexporter.Reading) {
		t.Helper()
		observe.Succeeds(t, what, func() (err error) {
			if r, err = ask(); err == nil && !ok(r) {
				err = fmt.Errorf("it is %+v", r)
			}
			return err
		})
		return r
	}
	reload(nil)
	if _, err := ask(); !errors.Is(err, oracleexporter.ErrNone) {
		t.Errorf("without the option: %v", err)
	}
	reload(&OracleExporter{URL: first.URL + "/metrics"})
	before := wait("the first page", func(r oracleexporter.Reading) bool { return r.DatabaseUp() })
	reload(&OracleExporter{URL: first.URL + "/metrics"})
	if after, err := ask(); err != nil || !reflect.DeepEqual(after.Page, before.Page) || *after.AgeSeconds < *before.AgeSeconds {
		t.Errorf("after a reload %+v, %v", after, err)
	}
	reload(&OracleExporter{URL: second.URL + "/metrics"})
	wait("the second page", func(r oracleexporter.Reading) bool { return r.ExporterUp && !r.Page.Up })
	reload(nil)
	if _, err := ask(); !errors.Is(err, oracleexporter.ErrNone) {
		t.Errorf("after the option was removed: %v", err)
	}
}
