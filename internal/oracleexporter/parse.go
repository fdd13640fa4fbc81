package oracleexporter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	// maxPage bounds a page, in bytes. The default metrics of one database are some
	// 30 kB; those of several and an operator's own come to a few hundred.
	maxPage = 8 << 20
	// maxLine bounds one line of a page, in bytes.
	maxLine = 64 << 10
	// maxKept bounds the lines that are parsed, in bytes and number: 1,000 tablespaces
	// of several databases fit.
	maxKept      = 2 << 20
	maxKeptLines = 20_000
)

// Names of the metrics, as default-metrics.toml and the exporter's code make them.
const (
	metricUp         = "oracledb_up"
	metricSessions   = "oracledb_sessions_value"
	metricUsed       = "oracledb_tablespace_bytes"
	metricMax        = "oracledb_tablespace_max_bytes"
	metricBuild      = "oracledb_exporter_build_info"
	prefixWaits      = "oracledb_wait_time_"
	metricWaitsByTag = prefixWaits + "time_waited_sec_total" // where the class is a label
)

var (
	errTooLong  = fmt.Errorf("the page is longer than %d MB", maxPage>>20)
	errTooMany  = errors.New("the page has too many tablespaces or sessions")
	errNotOurs  = errors.New("this is no page of Oracle's exporter: it has no oracledb_up")
	errNoAnswer = errors.New("the page says of the database neither that it is up nor that it is down")
)

// Parse reads a metrics page in Prometheus' text format. database names one of several
// databases on the page; with "" there must be one alone. The page is read to its end
// or to 8 MB, which is an error.
func Parse(page io.Reader, database string) (*Page, error) {
	kept, err := keep(page)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(kept)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	ups := samples(families[metricUp])
	if len(ups) == 0 {
		return nil, errNotOurs
	}
	up, of, err := choose(ups, database)
	if err != nil {
		return nil, err
	}
	if up != 0 && up != 1 {
		return nil, errNoAnswer
	}
	c := newCollected()
	for name, family := range families {
		for _, s := range samples(family) {
			if of.matches(s.labels) {
				c.take(name, s)
			}
		}
	}
	p := c.page()
	p.Up = up == 1
	for _, s := range samples(families[metricBuild]) {
		p.Version = text(s.labels["version"])
	}
	return p, nil
}

// keep returns the lines that Parse looks at.
func keep(page io.Reader) (io.Reader, error) {
	limited := &io.LimitedReader{R: page, N: maxPage + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	var kept bytes.Buffer
	n := 0
	for lines.Scan() {
		line := lines.Bytes()
		if !wanted(line) {
			continue
		}
		if n++; n > maxKeptLines || kept.Len()+len(line) > maxKept {
			return nil, errTooMany
		}
		kept.Write(line)
		kept.WriteByte('\n')
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("the page has a line of more than %d kB", maxLine>>10)
	case err != nil:
		return nil, fmt.Errorf("read the page: %w", err)
	case limited.N <= 0:
		return nil, errTooLong
	}
	return &kept, nil
}

// wanted tells a line with one of our metrics. Comments are not needed: without its type
// a number is a number.
func wanted(line []byte) bool {
	line = bytes.TrimLeft(line, " \t")
	end := bytes.IndexAny(line, "{ \t")
	if end < 0 {
		return false
	}
	switch name := string(line[:end]); name {
	case metricUp, metricSessions, metricUsed, metricMax, metricBuild:
		return true
	default:
		return strings.HasPrefix(name, prefixWaits)
	}
}

// sample is one line.
type sample struct {
	labels map[string]string
	value  float64
}

func samples(family *dto.MetricFamily) (out []sample) {
	for _, m := range family.GetMetric() {
		s := sample{labels: make(map[string]string, len(m.GetLabel())), value: m.GetUntyped().GetValue()}
		for _, l := range m.GetLabel() {
			s.labels[l.GetName()] = l.GetValue()
		}
		out = append(out, s)
	}
	return out
}

// only is the label by which the lines of one database are known; the zero value stands
// for a page about one.
type only struct{ label, value string }

func (o only) matches(labels map[string]string) bool {
	return o.label == "" || labels[o.label] == o.value
}

// choose finds the database that is meant among those that the page tells of.
func choose(ups []sample, database string) (up float64, of only, err error) {
	if database == "" && len(ups) == 1 {
		return ups[0].value, only{}, nil
	}
	there := make(map[string]bool)
	found := 0
	for _, u := range ups {
		label, ok := named(u.labels, database)
		there[name(u.labels)] = true
		if ok {
			up, of, found = u.value, only{label, database}, found+1
		}
	}
	switch {
	case database == "":
		return 0, only{}, fmt.Errorf("the page tells of %d databases: write one of %s after the URL", len(ups), names(there))
	case found == 0:
		return 0, only{}, fmt.Errorf("the page tells of no database %s: it has %s", text(database), names(there))
	case found > 1:
		return 0, only{}, fmt.Errorf("the page tells of %d databases by the name %s", found, text(database))
	}
	return up, of, nil
}

// named finds the label with the database's name: "database", unless the exporter's
// option databaseLabel gives it another name.
func named(labels map[string]string, database string) (label string, ok bool) {
	if database == "" {
		return "", false
	}
	if labels["database"] == database {
		return "database", true
	}
	for name, value := range labels {
		if value == database {
			return name, true
		}
	}
	return "", false
}

// name is what a person would call the database.
func name(labels map[string]string) string {
	if n := labels["database"]; n != "" {
		return text(n)
	}
	var all []string
	for _, value := range labels {
		all = append(all, text(value))
	}
	slices.Sort(all)
	return strings.Join(all, "/")
}

// take notes one line.
func (c *collected) take(metric string, s sample) {
	switch {
	case metric == metricSessions:
		add(c.sessions, kind{text(s.labels["status"]), text(s.labels["type"])}, s.value)
	case metric == metricUsed:
		add(c.used, kind{text(s.labels["tablespace"]), text(s.labels["type"])}, s.value)
	case metric == metricMax:
		add(c.max, kind{text(s.labels["tablespace"]), text(s.labels["type"])}, s.value)
	case metric == metricWaitsByTag:
		class := strings.ReplaceAll(strings.ReplaceAll(s.labels["wait_class"], "/", ""), " ", "_")
		add(c.waits, text(strings.ToLower(class)), s.value)
	case strings.HasPrefix(metric, prefixWaits):
		add(c.waits, text(strings.TrimPrefix(metric, prefixWaits)), s.value)
	}
}
