package database

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/sijms/go-ora/v2/network"
)

func TestClassify(t *testing.T) {
	postgres := func(code string) error { return &pgconn.PgError{Code: code} }
	maria := func(number uint16) error { return &mysql.MySQLError{Number: number} }
	microsoft := func(numbers ...int32) error {
		e := mssql.Error{Number: numbers[len(numbers)-1]}
		for _, n := range numbers {
			e.All = append(e.All, mssql.Error{Number: n})
		}
		return e
	}
	ora := func(code int) error { return network.NewOracleError(code) }
	for _, test := range []struct {
		err  error
		want Kind
	}{
		{nil, Other},
		{errors.New("connection refused"), Other}, // text is not looked at
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Unreachable},
		{&net.DNSError{Err: "no such host"}, Unreachable},
		{io.EOF, Unreachable},
		{io.ErrUnexpectedEOF, Unreachable},
		{net.ErrClosed, Unreachable},
		{context.DeadlineExceeded, Unreachable},
		{context.Canceled, Other},
		{driver.ErrBadConn, Unreachable},
		{mysql.ErrInvalidConn, Unreachable},
		{x509.UnknownAuthorityError{}, Other},
		{errGarbage, Other},

		{postgres("28P01"), SignInRefused}, {postgres("28000"), SignInRefused},
		{postgres("3D000"), NoDatabase},
		{postgres("42501"), NoRight}, {postgres("3F000"), NoRight},
		{postgres("42P01"), NoTable},
		{postgres("25006"), ReadOnly},
		{postgres("53300"), Unreachable}, {postgres("57P01"), Unreachable}, {postgres("57P03"), Unreachable}, {postgres("08006"), Unreachable},
		{postgres("22012"), Other},

		{maria(1045), SignInRefused}, {maria(3118), SignInRefused}, {maria(4151), SignInRefused}, {maria(1130), SignInRefused},
		{maria(1049), NoDatabase},
		{maria(1044), NoRight}, {maria(1142), NoRight},
		{maria(1146), NoTable},
		{maria(1290), ReadOnly},
		{maria(1040), Unreachable}, {maria(1053), Unreachable},
		{maria(1064), Other},

		{microsoft(18456), SignInRefused},
		{microsoft(4060, 18456), NoDatabase},
		{microsoft(916), NoRight}, {microsoft(262), NoRight}, {microsoft(229), NoRight}, {microsoft(2760), NoRight},
		{microsoft(208), NoTable},
		{microsoft(3906), ReadOnly},
		{microsoft(17142), Unreachable}, {microsoft(40613), Unreachable},
		{microsoft(5701, 102), Other},

		{ora(1017), SignInRefused}, {ora(28000), SignInRefused}, {ora(28001), SignInRefused},
		{ora(12514), NoDatabase}, {ora(12505), NoDatabase},
		{ora(1031), NoRight}, {ora(1045), NoRight}, {ora(1950), NoRight}, {ora(1536), NoRight},
		{ora(942), NoTable},
		{ora(16000), ReadOnly},
		{ora(1034), Unreachable}, {ora(12541), Unreachable}, {ora(3113), Unreachable}, {ora(12519), Unreachable},
		{ora(900), Other},
	} {
		for _, err := range []error{test.err, &connectError{err: test.err}} {
			if test.err == nil {
				err = nil
			} else {
				err = fmt.Errorf("ping: %w", err)
			}
			if got := Classify(err); got != test.want {
				t.Errorf("%v: %s, want %s", err, got, test.want)
			}
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for kind := Other; kind <= ReadOnly; kind++ {
		seen[kind.String()] = true
	}
	if len(seen) != int(ReadOnly)+1 {
		t.Errorf("names: %v", seen)
	}
}

// TestGrants pins the suggestions of the engines that no test here can try
// them on. Those of PostgreSQL and MariaDB are tried on the real ones.
func TestGrants(t *testing.T) {
	for _, test := range []struct {
		engine Engine
		step   StepName
		kind   Kind
		want   string
	}{
		{SQLServer, StepSignIn, SignInRefused, "CREATE LOGIN [u]]x] WITH PASSWORD = '<password>'"},
		{SQLServer, StepSignIn, NoDatabase, "CREATE DATABASE [d]"},
		{SQLServer, StepSignIn, NoRight, "USE [d]; CREATE USER [u]]x] FOR LOGIN [u]]x]"},
		{SQLServer, StepCreate, NoRight, "USE [d]; GRANT CREATE TABLE TO [u]]x]; GRANT ALTER, REFERENCES ON SCHEMA::dbo TO [u]]x]"},
		{SQLServer, StepWrite, NoRight, "USE [d]; GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO [u]]x]"},
		{SQLServer, StepCreate, ReadOnly, "ALTER DATABASE [d] SET READ_WRITE"},
		{Oracle, StepSignIn, SignInRefused, `CREATE USER "U]X" IDENTIFIED BY "<password>"`},
		{Oracle, StepSignIn, NoDatabase, ""},
		{Oracle, StepSignIn, NoRight, `GRANT CREATE SESSION TO "U]X"`},
		{Oracle, StepCreate, NoRight, `GRANT CREATE TABLE, CREATE SEQUENCE, CREATE TRIGGER, CREATE PROCEDURE TO "U]X"; ALTER USER "U]X" QUOTA UNLIMITED ON USERS`},
		{Oracle, StepWrite, NoRight, `ALTER USER "U]X" QUOTA UNLIMITED ON USERS`},
		{Oracle, StepCreate, ReadOnly, "ALTER DATABASE OPEN READ WRITE"},
		{Postgres, StepReach, Unreachable, ""}, {MySQL, StepReach, Unreachable, ""}, {SQLServer, StepReach, Unreachable, ""}, {Oracle, StepReach, Unreachable, ""},
	} {
		target := Target{Engine: test.engine, Name: "d", User: "u]x"}
		got, _, _ := strings.Cut(dialects[test.engine].grant(target, test.step, test.kind), " -- ")
		if got != test.want {
			t.Errorf("%s, %s, %s: %s, want %s", test.engine, test.step, test.kind, got, test.want)
		}
	}
}
