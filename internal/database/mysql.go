package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// stuckTimeout is how long a driver that is not told otherwise by a context
// waits for one more piece of an answer from a machine that went silent.
const stuckTimeout = 30 * time.Second

var mysqlOptions = map[string]func(string) error{
	"tls":      oneOf("false", "preferred", "skip-verify", "verify-ca", "true"),
	"tls_ca":   anyText,
	"tls_cert": anyText,
	"tls_key":  anyText,
}

func mysqlConnector(t Target, dial dialFunc) (driver.Connector, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = t.User, t.Password, t.Name
	c.Net, c.Addr = "tcp", net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	if strings.HasPrefix(t.Host, "/") {
		c.Net, c.Addr = "unix", t.Host
	}
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	c.ReadTimeout, c.WriteTimeout = stuckTimeout, stuckTimeout
	c.Logger = &mysql.NopLogger{} // what it would print, its errors say too
	var err error
	if c.TLS, err = mysqlTLS(t); err != nil {
		return nil, err
	}
	mode := t.Options["tls"]
	c.AllowFallbackToPlaintext = mode == "preferred" || mode == "" && t.Options["tls_ca"] == ""
	connector, err := mysql.NewConnector(c)
	return readCommitted{connector}, err
}

// readCommitted is for statements that change a row by what other rows prove. In InnoDB's
// own level, REPEATABLE READ, they would lock all rows that they look at, and OMFLOW's own
// statements would wait for them, or be ended as a deadlock's victim, and be lost with the
// step that made them. Django uses this level as well, since 2.0.
type readCommitted struct{ driver.Connector }

// Connect implements [driver.Connector].
func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	exec, ok := conn.(driver.ExecerContext)
	if !ok {
		conn.Close()
		return nil, errors.ErrUnsupported
	}
	// As a parameter of the driver it would need its name in each version.
	if _, err := exec.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
		conn.Close() // it may be broken already
		return nil, err
	}
	return conn, nil
}

// mysqlTLS returns what tls, tls_ca, tls_cert and tls_key ask for; nil for no
// TLS.
func mysqlTLS(t Target) (*tls.Config, error) {
	mode, ca := t.Options["tls"], t.Options["tls_ca"]
	if mode == "" && ca != "" {
		mode = "verify-ca"
	}
	if mode == "false" {
		return nil, nil
	}
	// Only true looks at the name in the certificate; verify-ca does the rest of
	// the verification below; the others do none, as in MySQL's own clients.
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.Host, InsecureSkipVerify: mode != "true"}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("read tls_ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read tls_ca: %s holds no certificate in PEM", ca)
		}
	}
	if cert, key := t.Options["tls_cert"], t.Options["tls_key"]; cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("read tls_cert and tls_key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if mode == "verify-ca" {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			options := x509.VerifyOptions{Roots: config.RootCAs, Intermediates: x509.NewCertPool()}
			if len(state.PeerCertificates) == 0 {
				return errors.New("the server showed no certificate")
			}
			for _, cert := range state.PeerCertificates[1:] {
				options.Intermediates.AddCert(cert)
			}
			_, err := state.PeerCertificates[0].Verify(options)
			return err
		}
	}
	return config, nil
}

// MySQL's and MariaDB's error numbers, from their server error references.
var mysqlKinds = map[uint16]Kind{
	1045: SignInRefused, 1698: SignInRefused,
	1130: SignInRefused,                      // not from this machine
	1820: SignInRefused, 1862: SignInRefused, // password has expired
	3118: SignInRefused, 4151: SignInRefused, // account is locked
	1049: NoDatabase,
	1044: NoRight, // no right on the database at all; MySQL says so too when it does not exist
	1142: NoRight, 1143: NoRight, 1227: NoRight, 1370: NoRight,
	1051: NoTable, 1146: NoTable,
	1366: Characters,
	1290: ReadOnly, 1792: ReadOnly, 1836: ReadOnly,
	1040: Unreachable, 1203: Unreachable, 1226: Unreachable, // too many connections
	1053: Unreachable, 1077: Unreachable, 1079: Unreachable, // shutting down
	1129: Unreachable, // this machine is blocked after many broken connections
	1927: Unreachable, // connection was killed
}

func mysqlKind(e *mysql.MySQLError) Kind {
	if kind, ok := mysqlKinds[e.Number]; ok {
		return kind
	}
	return Other
}

// mysqlRights are the rights that the steps of a check need.
var mysqlRights = map[StepName]string{
	StepCreate: "CREATE", StepWrite: "INSERT", StepRead: "SELECT", StepChange: "UPDATE", StepDelete: "DELETE",
	StepAlter: "ALTER", StepIndex: "INDEX", StepDrop: "DROP",
}

// mysqlNames are the account and the database, quoted.
func mysqlNames(t Target) (user, name string) {
	return mysqlAccount(t.User), quote(t.Name, "`", "`")
}

// mysqlAccount is an account on any machine, quoted.
func mysqlAccount(user string) string {
	return quote(strings.ReplaceAll(user, `\`, `\\`), "'", "'") + "@'%'"
}

func mysqlGrantAll(t Target) string {
	user, name := mysqlNames(t)
	return "GRANT CREATE, DROP, ALTER, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE ON " + name + ".* TO " + user
}

func mysqlGrant(t Target, step StepName, kind Kind) string {
	user, name := mysqlNames(t)
	switch {
	case kind == SignInRefused:
		return "CREATE USER " + user + " IDENTIFIED BY '<password>' -- or ALTER USER; '%' is any machine"
	case kind == NoDatabase:
		return "CREATE DATABASE " + name + " CHARACTER SET utf8mb4"
	case kind == NoRight && mysqlRights[step] != "":
		return "GRANT " + mysqlRights[step] + " ON " + name + ".* TO " + user
	case kind == NoRight:
		return mysqlGrantAll(t)
	case kind == Characters:
		return "ALTER DATABASE " + name + " CHARACTER SET utf8mb4 -- and for each table that is there: ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4"
	case kind == ReadOnly:
		return "SET GLOBAL read_only = OFF -- unless this is a replica: then name the primary"
	}
	return ""
}
