package database

import (
	"context"
	"database/sql/driver"
	"net"
	"strings"
)

// Engine is a kind of database.
type Engine string

// The engines that OMFLOW can use together with other OMFLOW Servers.
const (
	Postgres  Engine = "postgres"
	MySQL     Engine = "mysql" // MariaDB too
	SQLServer Engine = "sqlserver"
	Oracle    Engine = "oracle"
)

// String returns the engine's name as people write it.
func (e Engine) String() string {
	if d := dialects[e]; d != nil {
		return d.title
	}
	return string(e)
}

// dialect is all that differs between the engines.
type dialect struct {
	title string
	port  int
	// options are those that a URL may carry, with a word on each value.
	options map[string]func(value string) error
	sql     *statements
	// connector returns the driver's connector. It must open connections with
	// dial alone, and need not bound the time that this takes.
	connector func(t Target, dial dialFunc) (driver.Connector, error)
	// grant returns the statement that gives what a step of a check lacked.
	grant func(t Target, step StepName, kind Kind) string
	// all returns the statement that gives all rights that OMFLOW needs; nil where
	// grant does that already.
	all func(t Target) string
	// socket says whether the host may be the path of a Unix socket.
	socket bool
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext lets a dialFunc stand where drivers ask for an interface.
func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// HostName tells SQL Server's driver that names are looked up here, where the
// time for it is bounded, and not by the driver, where it is not.
func (f dialFunc) HostName() string { return "" }

// dialects is filled by init, since its functions refer to Target, whose
// methods look into it.
var dialects map[Engine]*dialect

func init() {
	dialects = map[Engine]*dialect{
		Postgres: {title: "PostgreSQL", port: 5432, options: postgresOptions, sql: &postgresStatements,
			connector: postgresConnector, grant: postgresGrant, socket: true},
		MySQL: {title: "MySQL", port: 3306, options: mysqlOptions, sql: &mysqlStatements,
			connector: mysqlConnector, grant: mysqlGrant, all: mysqlGrantAll, socket: true},
		SQLServer: {title: "SQL Server", port: 1433, options: sqlserverOptions, sql: &sqlserverStatements,
			connector: sqlserverConnector, grant: sqlserverGrant, all: sqlserverGrantAll},
		Oracle: {title: "Oracle", port: 1521, options: oracleOptions, sql: &oracleStatements,
			connector: oracleConnector, grant: oracleGrant, all: oracleGrantAll},
	}
}

// quote puts a name between the given quotes, doubling the closing one inside.
func quote(name, open, shut string) string {
	return open + strings.ReplaceAll(name, shut, shut+shut) + shut
}
