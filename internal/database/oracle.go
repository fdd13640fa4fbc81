package database

import (
	"context"
	"database/sql/driver"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	goora "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/configurations"
	"github.com/sijms/go-ora/v2/network"
)

var oracleOptions = map[string]func(string) error{
	"ssl":        oneOf("true", "false"),
	"ssl_verify": oneOf("true", "false"),
	"wallet":     anyText,
}

func oracleConnector(t Target, dial dialFunc) (driver.Connector, error) {
	query := url.Values{"TIMEOUT": {strconv.Itoa(int(stuckTimeout.Seconds()))}}
	for name, value := range t.Options {
		query.Set(strings.ReplaceAll(name, "_", " "), value)
	}
	dsn := url.URL{Scheme: "oracle", User: url.UserPassword(t.User, t.Password), Host: net.JoinHostPort(t.Host, strconv.Itoa(t.Port))}
	if t.SID {
		query.Set("SID", t.Name)
	} else {
		dsn.Path = "/" + t.Name
	}
	dsn.RawQuery = query.Encode()
	// The driver would only look at it when it connects.
	if _, err := configurations.ParseConfig(dsn.String()); err != nil {
		return nil, reason(err)
	}
	c := goora.NewConnector(dsn.String()).(*goora.OracleConnector)
	c.Dialer(oracleDial(dial, t.Options["ssl"] == "true"))
	return c, nil
}

// oracleDial checks the first packet of each connection. The driver believes
// its length: a service of another protocol on that port can make it ask for
// gigabytes. Within TLS the certificate is what is trusted.
func oracleDial(dial dialFunc, encrypted bool) dialFunc {
	if encrypted {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &tnsConn{Conn: conn}, nil
	}
}

// tnsConn is a connection whose first packet has a sound TNS header. Only one
// goroutine may read from it.
type tnsConn struct {
	net.Conn
	head    []byte // of the first packet, read but not handed out
	checked bool
}

// tnsHeader is a packet's length (two bytes, itself included), checksum, type,
// flags and the header's checksum.
const tnsHeader = 8

// Read implements [net.Conn].
func (c *tnsConn) Read(p []byte) (int, error) {
	if !c.checked {
		head := make([]byte, tnsHeader)
		if _, err := io.ReadFull(c.Conn, head); err != nil {
			return 0, err
		}
		// What a listener answers to a connect packet: accept, refuse, redirect,
		// resend.
		if int(head[0])<<8|int(head[1]) < tnsHeader || !slices.Contains([]byte{2, 4, 5, 11}, head[4]) {
			return 0, errGarbage
		}
		c.head, c.checked = head, true
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Oracle's error numbers (ORA-…), from its "Database Error Messages".
var oracleKinds = map[int]Kind{
	1005: SignInRefused, 1017: SignInRefused, 28000: SignInRefused, 28001: SignInRefused, 28009: SignInRefused,
	12504: NoDatabase, 12505: NoDatabase, 12514: NoDatabase, 12521: NoDatabase, // the listener knows no such service or SID
	1031: NoRight, 1045: NoRight,
	1536: NoRight, 1950: NoRight, // quota on the tablespace
	942:   NoTable,
	16000: ReadOnly,
	18:    Unreachable, 20: Unreachable, 2391: Unreachable, // too many sessions
	1033: Unreachable, 1034: Unreachable, 1089: Unreachable, 1090: Unreachable, 1109: Unreachable, // starting, stopping
	3113: Unreachable, 3114: Unreachable, 3135: Unreachable,
	12170: Unreachable, 12537: Unreachable, 12541: Unreachable, 12543: Unreachable, 12545: Unreachable, 12547: Unreachable,
	12516: Unreachable, 12518: Unreachable, 12519: Unreachable, 12520: Unreachable,
	12526: Unreachable, 12527: Unreachable, 12528: Unreachable, 12564: Unreachable, // the listener turns connections away
}

func oracleKind(e *network.OracleError) Kind {
	if kind, ok := oracleKinds[e.ErrCode]; ok {
		return kind
	}
	return Other
}

func oracleGrantAll(t Target) string {
	user := quote(strings.ToUpper(t.User), `"`, `"`)
	return "GRANT CREATE SESSION, CREATE TABLE, CREATE SEQUENCE, CREATE TRIGGER, CREATE PROCEDURE TO " + user +
		"; ALTER USER " + user + " QUOTA UNLIMITED ON USERS"
}

func oracleGrant(t Target, step StepName, kind Kind) string {
	user := quote(strings.ToUpper(t.User), `"`, `"`)
	switch {
	case kind == SignInRefused:
		return "CREATE USER " + user + ` IDENTIFIED BY "<password>" -- or ALTER USER … ACCOUNT UNLOCK`
	case kind == NoRight && step == StepSignIn:
		return "GRANT CREATE SESSION TO " + user
	case kind == NoRight && step == StepCreate:
		return "GRANT CREATE TABLE, CREATE SEQUENCE, CREATE TRIGGER, CREATE PROCEDURE TO " + user + "; ALTER USER " + user + " QUOTA UNLIMITED ON USERS"
	case kind == NoRight:
		return "ALTER USER " + user + " QUOTA UNLIMITED ON USERS -- or on the account's own tablespace"
	case kind == ReadOnly:
		return "ALTER DATABASE OPEN READ WRITE -- unless this is a standby: then name the primary's service"
	}
	return ""
}
