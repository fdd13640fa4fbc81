package oracleexporter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"text/template"

	"github.com/omflow/booster/internal/database"
)

const (
	// PasswordVariable is the environment variable that the exporter takes the password
	// from.
	PasswordVariable = "OMFLOW_ORACLE_PASSWORD"
	// DatabaseName is what the file calls the database; it is the value of the page's
	// label database.
	DatabaseName = "omflow"
	// DefaultListen is the exporter's own port, on this machine alone.
	DefaultListen = "127.0.0.1:9161"
	// metricsPath is the exporter's default.
	metricsPath = "/metrics"
)

// File is a configuration file of the exporter for one database.
type File struct {
	// Target is the database, an Oracle. Its password is not used. Required.
	Target database.Target
	// User signs in. Default: the Target's.
	User string
	// Listen is where the exporter serves its page, as host:port or :port. Default
	// 127.0.0.1:9161.
	Listen string
	// GoOra is true for an exporter that was built with the driver go-ora (build tag
	// goora). Oracle's releases have the other, on Oracle's client library: the two
	// write addresses differently.
	GoOra bool
}

// Validate refuses what no file can be written for.
func (f File) Validate() error {
	if err := f.Target.Validate(); err != nil {
		return err
	}
	if f.Target.Engine != database.Oracle {
		return fmt.Errorf("the database is %s: Oracle's exporter is for Oracle alone", f.Target.Engine)
	}
	for what, s := range map[string]string{"host": f.Target.Host, "service name or SID": f.Target.Name} {
		// They stand unquoted in a connect string.
		if strings.ContainsAny(s, "()=?&/'\"") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("%s %q: Oracle knows no such characters there", what, s)
		}
	}
	if f.User != "" && strings.ContainsFunc(f.User, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("user %q holds control characters", f.User)
	}
	if _, port, err := net.SplitHostPort(f.listen()); err != nil {
		return fmt.Errorf("listen %q: write it as host:port, as in %s", f.Listen, DefaultListen)
	} else if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("listen %q: the port must be a number from 1 to 65535", f.Listen)
	}
	return nil
}

func (f File) listen() string {
	if f.Listen == "" {
		return DefaultListen
	}
	return f.Listen
}

// SignsIn is who signs in.
func (f File) SignsIn() string {
	if f.User != "" {
		return f.User
	}
	return f.Target.User
}

// PageURL is where the page is then, seen from the exporter's machine.
func (f File) PageURL() string {
	host, port, _ := net.SplitHostPort(f.listen()) // Validate has looked
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + metricsPath
}

// address is the database in the words of the exporter's driver.
func (f File) address() string {
	t := f.Target
	at := net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	tls := t.Options["ssl"] == "true"
	query := url.Values{}
	if f.GoOra {
		if t.SID {
			query.Set("SID", t.Name)
		}
		for _, name := range []string{"ssl", "ssl_verify", "wallet"} {
			if v := t.Options[name]; v != "" {
				query.Set(strings.ReplaceAll(name, "_", " "), v)
			}
		}
		name := "/"
		if !t.SID {
			name += t.Name
		}
		if len(query) == 0 {
			return at + name
		}
		return at + name + "?" + query.Encode()
	}
	noMatch := tls && t.Options["ssl_verify"] == "false"
	if t.SID { // an easy connect string has no place for it
		protocol, security := "TCP", ""
		if tls {
			protocol = "TCPS"
		}
		if noMatch {
			security = "(SECURITY=(SSL_SERVER_DN_MATCH=NO))"
		}
		return fmt.Sprintf("(DESCRIPTION=(ADDRESS=(PROTOCOL=%s)(HOST=%s)(PORT=%d))(CONNECT_DATA=(SID=%s))%s)", protocol, t.Host, t.Port, t.Name, security)
	}
	if tls {
		at = "tcps://" + at
	}
	if noMatch {
		query.Set("ssl_server_dn_match", "off")
	}
	at += "/" + t.Name
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	return at
}

// Render writes the file. What it writes holds no password, whatever the Target has.
func (f File) Render() ([]byte, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("write the configuration of Oracle's exporter: %w", err)
	}
	values := struct{ Variable, Name, User, URL, TNSAdmin, Listen string }{
		Variable: PasswordVariable, Name: DatabaseName,
	}
	wallet := f.Target.Options["wallet"]
	if f.GoOra {
		wallet = "" // it is in the address
	}
	for to, s := range map[*string]string{&values.User: f.SignsIn(), &values.URL: f.address(), &values.TNSAdmin: wallet, &values.Listen: f.listen()} {
		if s == "" {
			continue
		}
		quoted, err := yamlText(s)
		if err != nil {
			return nil, err
		}
		*to = quoted
	}
	var b bytes.Buffer
	if err := fileTemplate.Execute(&b, values); err != nil {
		return nil, fmt.Errorf("write the configuration of Oracle's exporter: %w", err)
	}
	return b.Bytes(), nil
}

// yamlText quotes a text for YAML, in which a text of JSON is a text too (YAML 1.2,
// section 1.3), and for the exporter, which replaces what follows a $ first.
func yamlText(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", errors.New("a value holds a NUL character")
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("quote %q: %w", s, err)
	}
	return strings.ReplaceAll(string(b), "$", "$$"), nil
}

// fileTemplate is the file. Its comments must not hold a $ either. The indentation
// indicator 2 in the password's lets a password begin with a space.
var fileTemplate = template.Must(template.New("file").Parse(`# Configuration of Oracle's exporter (oracledb_exporter 2.0.4 or newer) for the database
# of OMFLOW, written by "booster omflow oracle-exporter". The password is not here: the
# exporter takes it from the environment variable {{.Variable}}.

databases:
  {{.Name}}:
    username: {{.User}}
    # A block, so that any characters are safe in the password.
    password: |2-
      ${ {{- .Variable -}} }
    url: {{.URL}}
{{- with .TNSAdmin}}
    # The wallet's folder, with its sqlnet.ora.
    tnsAdmin: {{.}}
{{- end}}
    # Of the connections that the database has, few are taken away from OMFLOW.
    maxOpenConns: 4
    maxIdleConns: 4

metrics:
  # However many ask for the page, the database is asked once in this time.
  scrapeInterval: 15s

log:
  # The alert log is not exported: it would need more rights, and a folder.
  disable: 1

web:
  listenAddresses:
    - {{.Listen}}
`))
