package agent

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/oracleexporter"
)

// OracleExporter is the metrics page of Oracle's own exporter
// (github.com/oracle/oracle-db-appdev-monitoring), which the agent reads every 15 s. The
// boosters show what is on it in their status and on their own metrics page. It decides
// nothing: whether the server is started is up to the database itself.
type OracleExporter struct {
	// Where the page is, as in http://127.0.0.1:9161/metrics. A user and a password in it
	// are sent by basic authentication. Placeholders are allowed. Required.
	URL string `json:"url,omitempty"`

	// The database's name in the exporter's configuration, which is needed when the
	// exporter serves several. Default: the only one.
	Database string `json:"database,omitempty"`
}

// unmarshalDatabase reads the option database; d is at that word.
//
//	database settings|none|<url> {
//		oracle_exporter <url> [<database>]
//	}
func (a *Agent) unmarshalDatabase(d *caddyfile.Dispenser) error {
	if err := caddyconf.Word(d, &a.Database); err != nil {
		return err
	}
	if err := checkDatabase(a.Database); err != nil {
		return d.WrapErr(err)
	}
	return caddyconf.Options(d, "database", []string{"oracle_exporter"}, nil, func(string) error {
		words := d.RemainingArgs()
		if len(words) < 1 || len(words) > 2 {
			return d.Err("oracle_exporter needs the URL of the exporter's metrics page, as in `oracle_exporter http://127.0.0.1:9161/metrics`, and may have a database's name after it")
		}
		a.OracleExporter = &OracleExporter{URL: words[0]}
		if len(words) == 2 {
			a.OracleExporter.Database = words[1]
		}
		if err := a.OracleExporter.check(a.Database); err != nil {
			return d.WrapErr(err)
		}
		return nil
	})
}

// provision fills in placeholders.
func (o *OracleExporter) provision() {
	if o != nil {
		o.URL = caddy.NewReplacer().ReplaceKnown(o.URL, "")
	}
}

// check refuses what cannot work beside that database.
func (o *OracleExporter) check(beside string) error {
	if o == nil || strings.Contains(o.URL, "{") {
		return nil // a placeholder is known only later
	}
	if err := oracleexporter.CheckURL(o.URL); err != nil {
		return fmt.Errorf("oracle_exporter: %w", err)
	}
	// What is none of them is refused elsewhere.
	if target, err := database.ParseURL(beside); err == nil && target.Engine != database.Oracle {
		return fmt.Errorf("oracle_exporter: the database is %s: remove the option", target.Engine)
	}
	return nil
}

func sameExporter(a, b *OracleExporter) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// exporter is Oracle's exporter, being read. A nil one is none.
type exporter struct {
	reader *oracleexporter.Reader
	cancel context.CancelFunc
	done   chan struct{}
}

// close ends the reading.
func (e *exporter) close() {
	if e == nil {
		return
	}
	e.cancel()
	<-e.done
}

// setExporter puts the exporter's page in force, or none.
func (m *monitor) setExporter(former, s *settings) error {
	if former != nil && sameExporter(former.exporter, s.exporter) && (m.exporter != nil) == (s.exporter != nil) {
		return nil
	}
	m.endExporter()
	if s.exporter == nil {
		return nil
	}
	reader, err := oracleexporter.New(oracleexporter.Config{
		URL: s.exporter.URL, Database: s.exporter.Database, Logger: s.log.With("server", m.name),
	})
	if err != nil {
		return fmt.Errorf("oracle_exporter: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &exporter{reader: reader, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		reader.Run(ctx)
	}()
	m.exporter = e
	m.readings.Store(reader)
	return nil
}

// endExporter ends the reading.
func (m *monitor) endExporter() {
	m.readings.Store(nil)
	m.exporter.close()
	m.exporter = nil
}

// serveReading tells a booster what the exporter's page says.
func (r *runner) serveReading(w http.ResponseWriter, req *http.Request) {
	reader := r.readings.Load()
	if reader == nil {
		http.Error(w, "this agent reads no exporter", http.StatusNotFound)
		return
	}
	reader.ServeHTTP(w, req)
}
