package database

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Name and role that clients of PostgreSQL sign in with.
const (
	PostgresName = "omflow"
	PostgresRole = "omflow"
)

const (
	// postgresVersion is what Debian 12 has.
	postgresVersion = "15.14"
	// startupTime bounds how long a client takes to sign in: PostgreSQL's
	// authentication_timeout is a minute, for people who type.
	startupTime = 10 * time.Second
	// writeTime bounds how long a client may leave an answer unread.
	writeTime = 10 * time.Second
	// maxStatement bounds one message of a client, in bytes.
	maxStatement = 64 << 10
	// maxPostgresClients is PostgreSQL's max_connections as shipped.
	maxPostgresClients = 100
)

// SQLSTATE codes (PostgreSQL 15 documentation, appendix A).
const (
	stateProtocol     = "08P01"
	stateUnsupported  = "0A000"
	stateBadPassword  = "28P01"
	stateBadRole      = "28000"
	stateNoDatabase   = "3D000"
	stateTooMany      = "53300"
	stateUnique       = "23505"
	stateNoTable      = "42P01"
	stateTableExists  = "42P07"
	stateNoColumn     = "42703"
	stateColumnExists = "42701"
)

// sqlError is a statement or a sign-in that PostgreSQL would refuse.
type sqlError struct{ state, text string }

func (e *sqlError) Error() string { return e.text + " (SQLSTATE " + e.state + ")" }

func refuse(state, format string, args ...any) error {
	return &sqlError{state, fmt.Sprintf(format, args...)}
}

// servePostgres serves one client of PostgreSQL until it leaves.
func (s *Server) servePostgres(c net.Conn) {
	s.postgresClients.Add(1)
	defer s.postgresClients.Add(-1)
	b := pgproto3.NewBackend(c, c)
	b.SetMaxBodyLen(maxStatement)
	p := &postgres{conn: c, backend: b, server: s}
	if err := p.run(); err != nil {
		s.cfg.Logger.Debug("client of PostgreSQL left", "error", err)
	}
}

// postgres is one connection.
type postgres struct {
	conn    net.Conn
	backend *pgproto3.Backend
	server  *Server
}

func (p *postgres) run() error {
	p.conn.SetReadDeadline(time.Now().Add(startupTime))
	if err := p.start(); err != nil {
		return err
	}
	p.conn.SetReadDeadline(time.Time{})
	for {
		message, err := p.backend.Receive()
		if err != nil {
			return fmt.Errorf("receiving a message: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			p.query(m.String)
		case *pgproto3.Terminate:
			return nil
		default:
			if err := p.skip(message); err != nil {
				return err
			}
		}
		p.backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := p.flush(); err != nil {
			return err
		}
	}
}

// skip refuses a statement in the extended protocol: one error, then nothing until
// the client's Sync (PostgreSQL 15 documentation, section 55.2.3).
func (p *postgres) skip(message pgproto3.FrontendMessage) error {
	p.send(refuse(stateUnsupported, "only the simple query protocol is served here"))
	for {
		if _, ok := message.(*pgproto3.Sync); ok {
			return nil
		}
		if err := p.flush(); err != nil {
			return err
		}
		var err error
		if message, err = p.backend.Receive(); err != nil {
			return fmt.Errorf("receiving a message: %w", err)
		}
		if _, ok := message.(*pgproto3.Terminate); ok {
			return errors.New("the client left in the middle of a statement")
		}
	}
}

// start signs the client in.
func (p *postgres) start() error {
	var startup *pgproto3.StartupMessage
	for startup == nil {
		message, err := p.backend.ReceiveStartupMessage()
		if err != nil {
			return fmt.Errorf("receiving the startup message: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.StartupMessage:
			startup = m
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			p.conn.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err := p.conn.Write([]byte{'N'}); err != nil {
				return fmt.Errorf("refusing encryption: %w", err)
			}
		default:
			return errors.New("a request to cancel a statement, which are over at once here")
		}
	}
	if err := p.admit(startup.Parameters["user"], startup.Parameters["database"]); err != nil {
		p.send(err)
		return errors.Join(err, p.flush())
	}
	p.backend.Send(&pgproto3.AuthenticationOk{})
	for _, kv := range [][2]string{
		{"server_version", postgresVersion}, {"server_encoding", "UTF8"}, {"client_encoding", "UTF8"},
		{"standard_conforming_strings", "on"}, {"integer_datetimes", "on"}, {"DateStyle", "ISO, MDY"}, {"TimeZone", "UTC"},
	} {
		p.backend.Send(&pgproto3.ParameterStatus{Name: kv[0], Value: kv[1]})
	}
	p.backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 0}})
	p.backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return p.flush()
}

// admit asks for the password and checks who the client is.
func (p *postgres) admit(role, name string) error {
	if p.server.postgresClients.Load() > maxPostgresClients {
		return refuse(stateTooMany, "sorry, too many clients already")
	}
	if want := p.server.cfg.PostgresPassword; want != "" {
		p.backend.Send(&pgproto3.AuthenticationCleartextPassword{})
		if err := p.flush(); err != nil {
			return err
		}
		message, err := p.backend.Receive()
		if err != nil {
			return fmt.Errorf("receiving the password: %w", err)
		}
		if m, ok := message.(*pgproto3.PasswordMessage); !ok || m.Password != want || role != PostgresRole {
			return refuse(stateBadPassword, "password authentication failed for user %q", role)
		}
	}
	if role != PostgresRole {
		return refuse(stateBadRole, "role %q does not exist", role)
	}
	if name == "" {
		name = role // as PostgreSQL takes it
	}
	if name != PostgresName {
		return refuse(stateNoDatabase, "database %q does not exist", name)
	}
	return nil
}

// query answers one simple query.
func (p *postgres) query(text string) {
	r, err := p.server.execute(text)
	if err != nil {
		p.send(err)
		return
	}
	if r.tag == "" {
		p.backend.Send(&pgproto3.EmptyQueryResponse{})
		return
	}
	if len(r.columns) > 0 {
		p.backend.Send(&pgproto3.RowDescription{Fields: r.columns})
	}
	for _, row := range r.rows {
		p.backend.Send(&pgproto3.DataRow{Values: row})
	}
	p.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte(r.tag)})
}

// send sends an error as PostgreSQL does.
func (p *postgres) send(err error) {
	e := &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: stateProtocol, Message: err.Error()}
	var refused *sqlError
	if errors.As(err, &refused) {
		e.Code, e.Message = refused.state, refused.text
		switch refused.state {
		case stateBadPassword, stateBadRole, stateNoDatabase, stateTooMany:
			e.Severity, e.SeverityUnlocalized = "FATAL", "FATAL"
		}
	}
	p.backend.Send(e)
}

func (p *postgres) flush() error {
	p.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if err := p.backend.Flush(); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}
