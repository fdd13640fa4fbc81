package database

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Django is DATABASES["default"] of a Django settings.py, its values as text.
type Django struct {
	Engine, Name, User, Password, Host, Port string
	// Options is OPTIONS as JSON would carry it.
	Options map[string]any
}

// FromDjango returns the database that Django would use with these settings.
// Options of the Python driver that decide how a connection is secured or
// found are followed; the names of all others are in [Target.Ignored].
// The error names the key of settings.py to mend, and never holds the password.
func FromDjango(d Django) (Target, error) {
	t, err := fromDjango(d)
	if err != nil {
		return Target{}, fmt.Errorf("read DATABASES[\"default\"] of settings.py: %w", err)
	}
	return t, nil
}

func fromDjango(d Django) (Target, error) {
	engine, err := djangoEngine(d.Engine)
	if err != nil {
		return Target{}, err
	}
	t := Target{
		Engine: engine, Host: strings.TrimSpace(d.Host), Port: dialects[engine].port, Name: d.Name,
		User: d.User, Password: d.Password, Options: map[string]string{}, OwnAccount: true,
	}
	if engine == Oracle {
		if err := t.oracleName(d); err != nil {
			return Target{}, err
		}
	}
	if engine == SQLServer {
		if host, instance, ok := strings.Cut(t.Host, `\`); ok {
			t.Host, t.Options["instance"] = host, instance
		}
	}
	if port := strings.TrimSpace(d.Port); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Target{}, fmt.Errorf("PORT is %q: write a number from 1 to 65535, or '' for %d", port, t.Port)
		}
		t.Port = int(n)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Options)) {
		if !t.djangoOption(name, d.Options[name]) {
			t.Ignored = append(t.Ignored, name)
		}
	}
	switch {
	case t.Name == "":
		return Target{}, errors.New("NAME is empty: write the database's name (files and services named in OPTIONS are not read)")
	case t.Host == "":
		return Target{}, errors.New("HOST is empty: write the name or address of the database's machine, so that every OMFLOW Server reaches it")
	case t.User == "":
		return Target{}, errors.New("USER is empty: write who signs in (files named in OPTIONS are not read, and there is no integrated sign-in)")
	}
	if err := t.Validate(); err != nil {
		return Target{}, err
	}
	return t, nil
}

// djangoEngine knows Django's own backends by their names and those of others,
// as connection pools and SQL Server's are, by the engine's name in theirs.
func djangoEngine(name string) (Engine, error) {
	lower := strings.ToLower(name)
	for _, known := range []struct {
		part   string
		engine Engine
	}{
		{"postgresql", Postgres}, {"postgis", Postgres},
		{"mysql", MySQL}, {"mariadb", MySQL},
		{"mssql", SQLServer}, {"sql_server", SQLServer}, {"sqlserver", SQLServer},
		{"oracle", Oracle},
	} {
		if strings.Contains(lower, known.part) {
			return known.engine, nil
		}
	}
	switch {
	case name == "":
		return "", errors.New("ENGINE is empty: write 'django.db.backends.postgresql', '….mysql' or '….oracle', or 'mssql'")
	case strings.Contains(lower, "sqlite"), strings.Contains(lower, "spatialite"):
		return "", fmt.Errorf("ENGINE is %q: %w", name, errSQLite)
	}
	return "", fmt.Errorf("ENGINE is %q, which is unknown: write 'django.db.backends.postgresql', '….mysql' or '….oracle', or 'mssql'", name)
}

// oracleName does what Django's Oracle backend does: with a PORT, NAME is a
// SID; without, NAME alone says where the database is and HOST is not looked
// at (django.db.backends.oracle.utils.dsn).
func (t *Target) oracleName(d Django) error {
	if strings.TrimSpace(d.Port) != "" {
		t.SID = true
		if t.Host == "" {
			t.Host = "localhost"
		}
		return nil
	}
	address, service, ok := strings.Cut(d.Name, "/")
	service, _, _ = strings.Cut(service, ":") // service:server type
	if !ok || address == "" || service == "" || strings.ContainsAny(d.Name, "( )=") {
		return errors.New("NAME alone, without PORT, is a name of Oracle's tnsnames.ora or a description, which are not read: write HOST, PORT and the SID in NAME, or 'host:port/service' in NAME")
	}
	t.Name = service
	if err := t.setHostPort(address); err != nil {
		return fmt.Errorf("NAME is read as host:port/service: %w", err)
	}
	return nil
}

// djangoOption takes over one of OPTIONS and reports whether it could.
func (t *Target) djangoOption(name string, value any) bool {
	text, isText := value.(string)
	switch t.Engine {
	case Postgres:
		if _, known := postgresOptions[name]; known && isText && text != "" {
			t.Options[name] = text
			return true
		}
	case MySQL:
		return t.mysqlDjangoOption(name, value)
	case SQLServer:
		if name == "extra_params" && isText {
			t.odbcParams(text)
			return true
		}
	}
	return false
}

// mysqlDjangoOption takes over options of mysqlclient.
func (t *Target) mysqlDjangoOption(name string, value any) bool {
	switch value := value.(type) {
	case string:
		switch name {
		case "unix_socket":
			t.Host = value
			return true
		case "ssl_mode":
			mode, ok := map[string]string{
				"DISABLED": "false", "PREFERRED": "preferred", "REQUIRED": "skip-verify", "VERIFY_CA": "verify-ca", "VERIFY_IDENTITY": "true",
			}[strings.ToUpper(value)]
			if ok {
				t.Options["tls"] = mode
			}
			return ok
		}
	case map[string]any:
		if name != "ssl" {
			return false
		}
		for _, file := range []string{"ca", "cert", "key"} {
			if path, ok := value[file].(string); ok && path != "" {
				t.Options["tls_"+file] = path
			}
		}
		return true
	}
	return false
}

// odbcParams takes over the two things that matter from a piece of an ODBC
// connection string, as in "Encrypt=yes;TrustServerCertificate=yes".
func (t *Target) odbcParams(params string) {
	words := map[string]string{"yes": "true", "true": "true", "mandatory": "true", "no": "false", "false": "false", "optional": "false", "strict": "strict"}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), words[strings.ToLower(strings.TrimSpace(value))]
		if value != "" && (name == "encrypt" || name == "trustservercertificate" && value != "strict") {
			t.Options[name] = value
		}
	}
}
