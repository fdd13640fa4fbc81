package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/url"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/sijms/go-ora/v2/network"
)

// Kind is why a database did not do what it was asked.
type Kind int

// The kinds of errors.
const (
	// Other is none of the below, and no error at all.
	Other Kind = iota
	// Unreachable: no answer, a broken connection, or an answer that it takes
	// no connections now (starting, stopping, too many). It may pass by itself.
	Unreachable
	// SignInRefused: no such user, wrong password, locked, or not from here.
	SignInRefused
	// NoDatabase: there is no such database, service or SID.
	NoDatabase
	// NoRight: the account lacks a right, or room that it may fill.
	NoRight
	// NoTable: there is no such table. Oracle and SQL Server say so too when
	// the account may not see it.
	NoTable
	// ReadOnly: a standby, or a database that was set to take no writes.
	ReadOnly
	// Characters: the database was made for fewer characters than were written.
	Characters
)

// String returns the kind in a few words.
func (k Kind) String() string {
	switch k {
	case Unreachable:
		return "unreachable"
	case SignInRefused:
		return "sign-in refused"
	case NoDatabase:
		return "no such database"
	case NoRight:
		return "missing right"
	case NoTable:
		return "no such table"
	case ReadOnly:
		return "read-only"
	case Characters:
		return "characters do not fit"
	}
	return "other"
}

// Classify tells why a call of this package failed, by the error codes of the
// drivers and of the operating system; an error's text is never looked at.
func Classify(err error) Kind {
	var (
		postgresError  *pgconn.PgError
		mysqlError     *mysql.MySQLError
		sqlserverError mssql.Error
		oracleError    *network.OracleError
		netError       net.Error
	)
	switch {
	case err == nil, errors.Is(err, errGarbage):
		return Other
	case errors.Is(err, errChanged):
		return Characters
	case errors.As(err, &postgresError):
		return postgresKind(postgresError)
	case errors.As(err, &mysqlError):
		return mysqlKind(mysqlError)
	case errors.As(err, &sqlserverError):
		return sqlserverKind(sqlserverError)
	case errors.As(err, &oracleError):
		return oracleKind(oracleError)
	case errors.As(err, &netError),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrInvalidConn):
		return Unreachable
	}
	return Other
}

// errChanged says that a text came back as another.
var errChanged = errors.New("the text was changed")

// reason returns why a driver refused a connection string, without that
// string: drivers hide the password in it only as far as they recognize it.
func reason(err error) error {
	var parse *pgconn.ParseConfigError
	var inURL *url.Error
	if errors.As(err, &parse) && parse.Unwrap() != nil {
		return parse.Unwrap()
	}
	if errors.As(err, &inURL) {
		return inURL.Err
	}
	return err
}
