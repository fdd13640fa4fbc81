package database

import (
	"database/sql/driver"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
)

// maxMessage bounds one message of a PostgreSQL server, in bytes. The largest
// that is asked for is a row of the journal, about 1 kB.
const maxMessage = 1 << 20

var postgresOptions = map[string]func(string) error{
	"sslmode":              oneOf("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
	"sslrootcert":          anyText,
	"sslcert":              anyText,
	"sslkey":               anyText,
	"application_name":     anyText,
	"options":              anyText,
	"search_path":          anyText,
	"target_session_attrs": oneOf("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}

// postgresConnector uses pgx. What the target leaves open is filled as libpq
// does it for OMFLOW itself: from PG* variables and ~/.pgpass.
//
// Statements go through the simple protocol, so that a PgBouncer in front,
// which may give each statement another server connection, does no harm.
func postgresConnector(t Target, dial dialFunc) (driver.Connector, error) {
	// Django asks for UTF8 too; a database in another encoding would otherwise answer in
	// that, which pgx refuses.
	params := map[string]string{"application_name": "omflow-booster", "client_encoding": "UTF8"}
	maps.Copy(params, t.Options)
	params["host"], params["port"] = t.Host, strconv.Itoa(t.Port)
	params["dbname"], params["user"] = t.Name, t.User
	if t.Password != "" {
		params["password"] = t.Password
	}
	var dsn strings.Builder
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(params[name])
		dsn.WriteString(name + "='" + value + "' ")
	}
	config, err := pgx.ParseConfig(dsn.String())
	if err != nil {
		return nil, reason(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.DialFunc = pgconn.DialFunc(dial)
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxMessage)
		return f
	}
	return stdlib.GetConnector(*config), nil
}

// PostgreSQL's error codes, appendix A of its manual; the first two characters
// name a class.
var postgresKinds = map[string]Kind{
	"28000": SignInRefused, // also: no line in pg_hba.conf, role must not log in
	"28P01": SignInRefused,
	"3D000": NoDatabase,
	"3F000": NoRight, // no schema to create in: none of search_path may be used
	"42501": NoRight,
	"42P01": NoTable,
	"22P05": Characters,
	"25006": ReadOnly,
	"53300": Unreachable, // too many connections
	"57P01": Unreachable, // being shut down
	"57P02": Unreachable, // crashed
	"57P03": Unreachable, // starting, or stopping
	"57P05": Unreachable, // idle session ended
}

func postgresKind(e *pgconn.PgError) Kind {
	if kind, ok := postgresKinds[e.Code]; ok {
		return kind
	}
	if strings.HasPrefix(e.Code, "08") { // connection exceptions
		return Unreachable
	}
	return Other
}

func postgresGrant(t Target, step StepName, kind Kind) string {
	user, name := quote(t.User, `"`, `"`), quote(t.Name, `"`, `"`)
	switch {
	case kind == SignInRefused:
		return "CREATE ROLE " + user + " LOGIN PASSWORD '<password>' -- or ALTER ROLE; and a line for this machine in pg_hba.conf"
	case kind == NoDatabase:
		return "CREATE DATABASE " + name + " OWNER " + user
	case kind == NoRight && step == StepSignIn:
		return "GRANT CONNECT ON DATABASE " + name + " TO " + user
	case kind == NoRight:
		return "GRANT USAGE, CREATE ON SCHEMA public TO " + user + " -- connected to " + name
	case kind == Characters:
		return "CREATE DATABASE " + name + " OWNER " + user + " ENCODING 'UTF8' TEMPLATE template0 -- under another name, or in its place: the encoding of a database can't be changed"
	case kind == ReadOnly:
		return "ALTER ROLE " + user + " SET default_transaction_read_only = off -- unless this is a standby: then name the primary"
	}
	return ""
}
