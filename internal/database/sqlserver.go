package database

import (
	"database/sql/driver"
	"net"
	"net/url"
	"strconv"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

var sqlserverOptions = map[string]func(string) error{
	"encrypt":                oneOf("true", "false", "disable", "strict"),
	"trustservercertificate": oneOf("true", "false"),
	"certificate":            anyText,
	"hostnameincertificate":  anyText,
	"instance":               anyText,
}

func sqlserverConnector(t Target, dial dialFunc) (driver.Connector, error) {
	query := url.Values{"database": {t.Name}, "app name": {"omflow-booster"}}
	for name, value := range t.Options {
		query.Set(name, value)
	}
	dsn := url.URL{Scheme: "sqlserver", User: url.UserPassword(t.User, t.Password), Host: net.JoinHostPort(t.Host, strconv.Itoa(t.Port))}
	if instance := t.Options["instance"]; instance != "" {
		// The driver asks the machine's SQL Server Browser for the port.
		query.Del("instance")
		dsn.Host, dsn.Path = t.Host, instance
	}
	dsn.RawQuery = query.Encode()
	config, err := msdsn.Parse(dsn.String())
	if err != nil {
		return nil, reason(err)
	}
	config.ConnTimeout = stuckTimeout
	c := mssql.NewConnectorConfig(config)
	c.Dialer = dial
	return c, nil
}

// SQL Server's error numbers, from "Database Engine events and errors".
var sqlserverKinds = map[int32]Kind{
	18456: SignInRefused, 18452: SignInRefused, 18470: SignInRefused, 18486: SignInRefused, 18487: SignInRefused, 18488: SignInRefused,
	4060: NoDatabase, 4064: NoDatabase, 911: NoDatabase, // also when the account has no user in it
	916: NoRight,
	229: NoRight, 230: NoRight, 262: NoRight, 297: NoRight, 300: NoRight, 1088: NoRight, 2760: NoRight, 3701: NoRight,
	208:  NoTable,
	3906: ReadOnly, 978: ReadOnly, // read-only database, secondary replica
	976: Unreachable, 983: Unreachable, 927: Unreachable, 942: Unreachable, // replica, restore, offline
	6005: Unreachable, 17142: Unreachable, 17809: Unreachable, 18401: Unreachable, // shutting down, paused, full, upgrading
	10928: Unreachable, 10929: Unreachable, 40197: Unreachable, 40501: Unreachable, 40613: Unreachable, // Azure: busy, moving
}

// sqlserverKind looks at all errors of the answer: 18456 comes last when the
// first says that there is no such database.
func sqlserverKind(e mssql.Error) Kind {
	for _, one := range append(e.All, e) {
		if kind, ok := sqlserverKinds[one.Number]; ok {
			return kind
		}
	}
	return Other
}

func sqlserverGrantAll(t Target) string {
	user := quote(t.User, "[", "]")
	return "USE " + quote(t.Name, "[", "]") + "; GRANT CREATE TABLE TO " + user +
		"; GRANT ALTER, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO " + user
}

func sqlserverGrant(t Target, step StepName, kind Kind) string {
	user, name := quote(t.User, "[", "]"), quote(t.Name, "[", "]")
	switch {
	case kind == SignInRefused:
		return "CREATE LOGIN " + user + " WITH PASSWORD = '<password>' -- or ALTER LOGIN; the server must allow SQL Server authentication"
	case kind == NoDatabase:
		return "CREATE DATABASE " + name + " -- or, when it is there: USE " + name + "; CREATE USER " + user + " FOR LOGIN " + user
	case kind == NoRight && step == StepSignIn:
		return "USE " + name + "; CREATE USER " + user + " FOR LOGIN " + user
	case kind == NoRight && (step == StepCreate || step == StepAlter || step == StepIndex || step == StepDrop):
		return "USE " + name + "; GRANT CREATE TABLE TO " + user + "; GRANT ALTER, REFERENCES ON SCHEMA::dbo TO " + user
	case kind == NoRight:
		return "USE " + name + "; GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO " + user
	case kind == ReadOnly:
		return "ALTER DATABASE " + name + " SET READ_WRITE -- unless this is a secondary replica: then name the primary"
	}
	return ""
}
