package testbed

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/standin"
)

// ClusterConfig is some servers on one database. The zero value of a field is
// its default where one is named.
type ClusterConfig struct {
	// Servers is how many there are, named s1, s2, …. Required.
	Servers int
	// Dir gets a home folder for each. Required.
	Dir string
	// TimeScale multiplies the time that requests take; see standin.Config.
	TimeScale float64
	// Threads is how many requests each works on at once. Default 8.
	Threads int
	// Lead is how many of the first servers run schedules and replay the
	// journal. One is as it should be; more show what goes wrong.
	Lead int
	// Postgres has the database serve the flow queue's journal to clients of
	// PostgreSQL too, at the address that every settings.py names.
	Postgres bool
	// Logger gets what the servers say. Default: nothing is logged.
	Logger *slog.Logger
}

// Validate tells what is wrong with the configuration.
func (c ClusterConfig) Validate() error {
	if c.Servers < 1 || c.Dir == "" || c.Lead < 0 || c.Lead > c.Servers {
		return errors.New("a cluster needs servers, a folder, and no more leads than servers")
	}
	return nil
}

// Cluster is a database and its servers in this process. Its methods are for one
// goroutine at a time; the servers and the database may be used by many.
type Cluster struct {
	// Database is what the servers share.
	Database *database.Server
	// Queries reaches the database past the servers.
	Queries database.Queries
	// Servers are s1, s2, ….
	Servers []*standin.Server

	pool    *database.Pool
	configs []standin.Config
}

// clusterKey is the SECRET_KEY of all servers, as it should be.
const clusterKey = "the same on all servers"

// postgresPassword has the characters that addresses and quoting stumble over.
const postgresPassword = `p@ss:w/o?r#d "quoted" & 100%`

// NewCluster starts a database and servers. Close ends them.
func NewCluster(cfg ClusterConfig) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dbConfig := database.Config{Listen: "127.0.0.1:0", Logger: cfg.Logger}
	if cfg.Postgres {
		dbConfig.Postgres, dbConfig.PostgresPassword = "127.0.0.1:0", postgresPassword
	}
	db, err := database.NewServer(dbConfig)
	if err != nil {
		return nil, fmt.Errorf("preparing the database: %w", err)
	}
	if err := db.Start(); err != nil {
		return nil, fmt.Errorf("starting the database: %w", err)
	}
	c := &Cluster{Database: db, pool: database.NewPool(db.Addr())}
	c.Queries = database.Queries{Caller: c.pool}
	for i := range cfg.Servers {
		name := fmt.Sprintf("s%d", i+1)
		c.configs = append(c.configs, standin.Config{
			Name: name, Listen: "127.0.0.1:0", Home: filepath.Join(cfg.Dir, name), Database: db.Addr(),
			SecretKey: clusterKey, Threads: cfg.Threads, TimeScale: cfg.TimeScale, RunMain: i < cfg.Lead,
			Instruments: true, Logger: cfg.Logger, Postgres: db.PostgresAddr(), PostgresPassword: dbConfig.PostgresPassword,
		})
		c.Servers = append(c.Servers, nil)
		if err := c.Restart(i); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Config returns the i-th server's configuration, with its address.
func (c *Cluster) Config(i int) standin.Config { return c.configs[i] }

// Restart kills the i-th server, if it lives, and starts it again on its own
// address and home folder.
func (c *Cluster) Restart(i int) error { return c.RestartWith(i, c.configs[i]) }

// RestartWith is Restart with another configuration, which stays for later
// restarts.
func (c *Cluster) RestartWith(i int, cfg standin.Config) error {
	if s := c.Servers[i]; s != nil {
		s.Kill()
	}
	c.configs[i] = cfg
	s, err := standin.NewServer(cfg)
	if err != nil {
		return fmt.Errorf("preparing a stand-in: %w", err)
	}
	c.Servers[i] = s
	if err := s.Start(); err != nil {
		return err
	}
	c.configs[i].Listen = s.Addr()
	return nil
}

// Client returns a client of the i-th server, as user admin.
func (c *Cluster) Client(i int) (*client.Client, error) {
	return client.New(client.Config{URL: c.Servers[i].URL(), User: "admin", Password: "admin"})
}

// Close kills the servers and the database.
func (c *Cluster) Close() {
	for _, s := range c.Servers {
		if s != nil {
			s.Kill()
		}
	}
	c.pool.Close()
	c.Database.Close() // in memory: nothing to write, nothing to fail
}
