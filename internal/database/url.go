package database

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// maxURL bounds a URL in bytes; it is far above any that a person writes.
const maxURL = 8 << 10

// schemes are the names under which the engines are known in URLs.
var schemes = map[string]Engine{
	"postgres": Postgres, "postgresql": Postgres,
	"mysql": MySQL, "mariadb": MySQL,
	"sqlserver": SQLServer, "mssql": SQLServer,
	"oracle": Oracle,
}

var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,31}$`)

// errEncode ends every error that an unencoded character of a password may be
// the reason for. Such errors show nothing of the URL behind the scheme: what
// looks like a host or a port there may be a piece of the password.
var errEncode = errors.New("in user and password write % as %25, / as %2F, ? as %3F and # as %23")

// ParseURL reads a URL such as
//
//	postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem
//	mysql://user:password@host/name?tls=verify-ca&tls_ca=/etc/ssl/db.pem
//	sqlserver://user:password@host/name?encrypt=true
//	oracle://user:password@host/service
//
// postgresql, mariadb and mssql are other names for the first three. The port
// may be left out. In user and password only % / ? # need percent-encoding,
// and : in the user; all other characters may be encoded or not.
//
// Options, and what they take:
//
//   - PostgreSQL: sslmode, sslrootcert, sslcert, sslkey, application_name,
//     options, search_path, target_session_attrs, as in libpq; host, the folder
//     of a Unix socket, in place of the host. Default sslmode: prefer.
//   - MySQL: tls (false, preferred, skip-verify, verify-ca, true), tls_ca,
//     tls_cert, tls_key (PEM files); host, a Unix socket. Default tls:
//     preferred, or verify-ca with a tls_ca.
//   - SQL Server: encrypt (true, false, disable, strict),
//     trustservercertificate (true, false), certificate (PEM file),
//     hostnameincertificate, instance; database in place of the name in the
//     path. Default: only the sign-in is encrypted, without looking at the
//     certificate.
//   - Oracle: sid in place of the service name in the path; ssl (true, false),
//     ssl_verify (true, false), wallet (a folder). Default ssl: false.
//
// The error never holds the password.
func ParseURL(raw string) (Target, error) {
	t, err := parseURL(raw)
	if err != nil {
		return Target{}, fmt.Errorf("read database URL: %w", err)
	}
	return t, nil
}

func parseURL(raw string) (Target, error) {
	if len(raw) > maxURL {
		return Target{}, fmt.Errorf("longer than %d bytes", maxURL)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !schemePattern.MatchString(scheme) {
		if before, _, _ := strings.Cut(raw, ":"); strings.HasPrefix(strings.ToLower(before), "sqlite") {
			return Target{}, errSQLite
		}
		return Target{}, errors.New("write it as engine://user:password@host:port/name, engine being postgres, mysql, sqlserver or oracle")
	}
	engine, ok := schemes[strings.ToLower(scheme)]
	if !ok {
		return Target{}, unknownEngine(scheme)
	}
	t := Target{Engine: engine, Port: dialects[engine].port, Options: map[string]string{}}

	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	path, query, _ := strings.Cut(tail, "?")
	at := strings.LastIndexByte(authority, '@')
	if strings.Contains(tail, "#") || at < 0 && strings.Contains(path, "@") {
		return Target{}, fmt.Errorf("user, password and host cannot be told apart: %w", errEncode)
	}
	if at < 0 {
		return Target{}, errors.New("no user: write it as engine://user:password@host/name")
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	var err1, err2 error
	t.User, err1 = url.PathUnescape(user)
	t.Password, err2 = url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return Target{}, fmt.Errorf("a %% in user or password is followed by no two hex digits: %w", errEncode)
	}
	if err := t.setHostPort(authority[at+1:]); err != nil {
		return Target{}, fmt.Errorf("%w; %w", err, errEncode)
	}
	name, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return Target{}, errors.New("a % in the database name is followed by no two hex digits")
	}
	t.Name = name
	if err := t.setQuery(query); err != nil {
		return Target{}, err
	}
	if err := t.Validate(); err != nil {
		return Target{}, err
	}
	return t, nil
}

// setHostPort takes host, host:port, [IPv6] or [IPv6]:port.
func (t *Target) setHostPort(s string) error {
	host, port, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return errors.New("the host's [ has no ]")
		}
		host, port = s[1:end], s[end+1:]
		if port != "" {
			if port[0] != ':' {
				return errors.New("behind the host's ] comes no : and port")
			}
			port, hasPort = port[1:], true
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port, hasPort = s[:i], s[i+1:], true
	}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return errors.New("the port is no number from 1 to 65535 (an IPv6 address goes in [ ])")
		}
		t.Port = int(n)
	}
	t.Host = host
	return nil
}

// setQuery takes the options, and those three things that have their place
// elsewhere in a URL but are commonly written as options.
func (t *Target) setQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the options behind ? cannot be read: write name=value&name=value, percent-encoded")
	}
	instead := func(place *string, name, value string) error {
		if *place != "" {
			return fmt.Errorf("the option %s and what it stands for are both given: leave one out", name)
		}
		*place = value
		return nil
	}
	for name, list := range values {
		if len(list) > 1 {
			return fmt.Errorf("the option %q is given %d times", name, len(list))
		}
		switch value := list[0]; {
		case name == "host" && dialects[t.Engine].socket:
			err = instead(&t.Host, name, value)
		case name == "database" && t.Engine == SQLServer:
			err = instead(&t.Name, name, value)
		case name == "sid" && t.Engine == Oracle:
			err, t.SID = instead(&t.Name, name, value), true
		default:
			t.Options[name] = value
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errSQLite = errors.New("SQLite cannot be shared by several OMFLOW Servers: use PostgreSQL, MySQL, SQL Server or Oracle")

func unknownEngine(name string) error {
	if strings.Contains(strings.ToLower(name), "sqlite") {
		return errSQLite
	}
	return fmt.Errorf("unknown engine %q: use postgres, mysql, sqlserver or oracle", name)
}
