package database

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Target says which database, and who signs in. It is made by [ParseURL] or
// [FromDjango]. However it is printed, logged or marshalled, the password does
// not show.
type Target struct {
	// Engine is the kind of database.
	Engine Engine
	// Host is a name or an address. On PostgreSQL and MySQL it may be the path
	// of a Unix socket (PostgreSQL: of its folder), beginning with a slash.
	Host string
	// Port is the TCP port, 1 to 65535. It plays no part for a MySQL socket or
	// a named instance of SQL Server.
	Port int
	// Name is the database; on Oracle the service, or the SID if SID is set.
	Name string
	// SID says that Name is an Oracle system identifier.
	SID bool
	// User signs in.
	User string
	// Password may be empty; it may hold any characters but NUL.
	Password string
	// Options are the engine's own, under the names that [ParseURL] lists.
	Options map[string]string
	// Ignored are the names of Django options that have no meaning here, sorted.
	Ignored []string
	// OwnAccount is true when User is who OMFLOW itself signs in as: [FromDjango] says so of
	// what OMFLOW's own settings name, and callers may of another target that names the same.
	OwnAccount bool
}

// Validate refuses what no database could be opened with. It does not look at
// files or at the network.
func (t Target) Validate() error {
	d := dialects[t.Engine]
	switch {
	case d == nil:
		return unknownEngine(string(t.Engine))
	case t.Host == "":
		return fmt.Errorf("%s: no host: write the name or address of the database's machine", d.title)
	case strings.HasPrefix(t.Host, "/") && !d.socket:
		return fmt.Errorf("%s: host %q: a path is no host", d.title, t.Host)
	case strings.ContainsFunc(t.Host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }),
		!strings.HasPrefix(t.Host, "/") && strings.ContainsAny(t.Host, `/?#@\"'<>[]`):
		return fmt.Errorf("%s: host %q: no such name can exist", d.title, t.Host)
	case t.Port < 1 || t.Port > 65535:
		return fmt.Errorf("%s: port %d: must be from 1 to 65535", d.title, t.Port)
	case t.Name == "" && t.Engine == Oracle:
		return fmt.Errorf("%s: no service name: write it after the host, as in oracle://user@host/service", d.title)
	case t.Name == "":
		return fmt.Errorf("%s: no database name: write it after the host, as in %s://user@host/name", d.title, string(t.Engine))
	case t.SID && t.Engine != Oracle:
		return fmt.Errorf("%s: only Oracle has a SID", d.title)
	case t.User == "":
		return fmt.Errorf("%s: no user: write who signs in", d.title)
	}
	for what, s := range map[string]string{"host": t.Host, "database name": t.Name, "user": t.User, "password": t.Password} {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("%s: the %s holds a NUL character", d.title, what)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Options)) {
		check, ok := d.options[name]
		if !ok {
			return fmt.Errorf("%s: unknown option %q: known are %s", d.title, name, strings.Join(slices.Sorted(maps.Keys(d.options)), ", "))
		}
		if err := check(t.Options[name]); err != nil {
			return fmt.Errorf("%s: option %s: %w", d.title, name, err)
		}
	}
	return nil
}

// Address returns host and port as people write them, or the socket's path.
func (t Target) Address() string {
	switch instance := t.Options["instance"]; {
	case strings.HasPrefix(t.Host, "/") && t.Engine == Postgres:
		return t.Host + "/.s.PGSQL." + strconv.Itoa(t.Port)
	case strings.HasPrefix(t.Host, "/"):
		return t.Host
	case instance != "":
		return t.Host + `\` + instance
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
}

// String returns a URL with three asterisks for the password.
func (t Target) String() string {
	var b strings.Builder
	b.WriteString(string(t.Engine) + "://" + url.User(t.User).String())
	if t.Password != "" {
		b.WriteString(":***")
	}
	query := url.Values{}
	for name, value := range t.Options {
		query.Set(name, value)
	}
	b.WriteString("@")
	if strings.HasPrefix(t.Host, "/") {
		query.Set("host", t.Host)
	} else {
		b.WriteString(net.JoinHostPort(t.Host, strconv.Itoa(t.Port)))
	}
	b.WriteString("/")
	if t.SID {
		query.Set("sid", t.Name)
	} else {
		b.WriteString(url.PathEscape(t.Name))
	}
	if len(query) > 0 {
		b.WriteString("?" + query.Encode())
	}
	return b.String()
}

// GoString hides the password from the verb %#v.
func (t Target) GoString() string { return "database.Target(" + t.String() + ")" }

// LogValue implements [slog.LogValuer].
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText hides the password from encoding/json and its like.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// oneOf returns a check of an option that takes one of a few words.
func oneOf(words ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(words, value) {
			return nil
		}
		return fmt.Errorf("%q: write one of %s", value, strings.Join(words, ", "))
	}
}

// anyText is the check of an option that takes any text but none at all.
func anyText(value string) error {
	if value == "" || strings.ContainsRune(value, 0) {
		return errors.New("write a value")
	}
	return nil
}
