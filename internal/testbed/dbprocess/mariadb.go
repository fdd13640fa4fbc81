package dbprocess

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
)

// MariaDBUser is the account that Debian's package makes.
const MariaDBUser = "mysql"

// MariaDB makes a MariaDB server whose administrator is root, over the socket.
// Config.Trust is refused: its accounts need what they are made with.
func MariaDB(cfg Config) (*Server, error) {
	if cfg.Trust {
		return nil, errors.New("MariaDB has no way to trust every account")
	}
	program, err1 := exec.LookPath("mariadbd")
	install, err2 := exec.LookPath("mariadb-install-db")
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("MariaDB: %w", ErrMissing)
	}
	s, err := newServer(cfg, MariaDBUser)
	if err != nil {
		return nil, err
	}
	if err := s.run(install, "--no-defaults", "--datadir="+s.data(), "--auth-root-authentication-method=normal", "--skip-test-db"); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	s.serve = []string{program, "--no-defaults", "--datadir=" + s.data(), "--socket=" + s.Socket(), "--port=" + strconv.Itoa(s.Port()),
		"--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--performance-schema=OFF",
		"--character-set-server=utf8mb4"}
	// It listens when it is ready to serve, and not before.
	s.ready = func(ctx context.Context, s *Server) error {
		c, err := new(net.Dialer).DialContext(ctx, "unix", s.Socket())
		if err != nil {
			return fmt.Errorf("connecting to the socket: %w", err)
		}
		return c.Close()
	}
	return s, nil
}

// Socket is where MariaDB listens in the server's folder.
func (s *Server) Socket() string { return filepath.Join(s.Dir(), "socket") }
