package dbprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

const (
	postgresBin = "/usr/lib/postgresql/15/bin"
	// PostgresUser is the account that Debian's package makes.
	PostgresUser = "postgres"
	// PostgresAdmin is the administrator, who signs in over the socket in the server's
	// folder.
	PostgresAdmin = "postgres"
)

// How PostgreSQL ends by the signals of its postmaster (PostgreSQL 15 documentation,
// section 19.5), which are what pg_ctl stop sends for its modes of that name.
var (
	Fast      os.Signal = syscall.SIGINT  // cuts connections off, and writes all it has
	Immediate os.Signal = syscall.SIGQUIT // as a crash
)

// Postgres makes a PostgreSQL 15 server without databases of its own.
func Postgres(cfg Config) (*Server, error) {
	if _, err := os.Stat(postgresBin); err != nil {
		return nil, fmt.Errorf("PostgreSQL 15: %w", ErrMissing)
	}
	s, err := newServer(cfg, PostgresUser)
	if err != nil {
		return nil, err
	}
	host := "scram-sha-256"
	if cfg.Trust {
		host = "trust"
	}
	if err := s.run(filepath.Join(postgresBin, "initdb"), "-D", s.data(), "-U", PostgresAdmin, "-E", "UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host="+host, "--no-sync"); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	s.serve = []string{filepath.Join(postgresBin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.Port()), "-k", s.Dir(),
		"-c", "listen_addresses=127.0.0.1", "-c", "log_line_prefix=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "shared_buffers=16MB"}
	s.ending = "pre-existing shared memory block" // a killed postmaster's children see its end soon
	s.ready = func(ctx context.Context, s *Server) error { return s.PostgresDo(ctx, "SELECT 1") }
	return s, nil
}

// PostgresDo runs statements as the administrator.
func (s *Server) PostgresDo(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host='%s' port=%d user=%s database=postgres sslmode=disable", s.Dir(), s.Port(), PostgresAdmin))
	if err != nil {
		return fmt.Errorf("signing in as the administrator: %w", err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
