package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/trust"
)

// Config says what the demo runs.
type Config struct {
	// Program is the booster's own executable. Required.
	Program string
	// Listen is where the front door serves. Default 127.0.0.1:8080.
	Listen string
	// Admin is where Caddy's admin API of the booster listens. Default 127.0.0.1:2019.
	Admin string
	// Servers is how many servers there are. Default 3.
	Servers int
	// Dir is where configuration, logs and the servers' folders are. Default: a new
	// one, which is removed at the end.
	Dir string
	// TimeScale multiplies the time that the servers take for a request. Default 1.
	TimeScale float64
	// Out gets what people should read. Required.
	Out io.Writer
}

const (
	defaultListen = "127.0.0.1:8080"
	defaultAdmin  = "127.0.0.1:2019"
	maxServers    = 16
	// startTime is how long all may take to come up; it is seconds on a machine
	// that is not busy.
	startTime = 90 * time.Second
	firstPort = 8001 // of the servers, where it is free
)

func (c *Config) defaults() error {
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	if c.Admin == "" {
		c.Admin = defaultAdmin
	}
	if c.Servers == 0 {
		c.Servers = 3
	}
	if c.TimeScale == 0 {
		c.TimeScale = 1
	}
	if c.Servers < 1 || c.Servers > maxServers {
		return fmt.Errorf("servers: write a number from 1 to %d, not %d", maxServers, c.Servers)
	}
	for what, address := range map[string]string{"listen": c.Listen, "admin": c.Admin} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("%s %q: write an address and a port, such as %s", what, address, defaultListen)
		}
		if !trust.AllLoopback(address) {
			return fmt.Errorf("%s %s: the demo serves on loopback addresses only, such as %s", what, address, defaultListen)
		}
		if err := free(address); err != nil {
			return fmt.Errorf("%s %s is taken: stop what uses it or choose another address with --%s", what, address, what)
		}
	}
	return nil
}

func free(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// freePort returns preferred if nobody listens there, else a port that is free now.
func freePort(preferred int) (int, error) {
	if preferred != 0 && free(fmt.Sprintf("127.0.0.1:%d", preferred)) == nil {
		return preferred, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Run runs the demo until ctx ends or a part of it does.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.defaults(); err != nil {
		return err
	}
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "omflow-demo-")
		if err != nil {
			return fmt.Errorf("make the demo's folder: %w", err)
		}
		defer os.RemoveAll(dir)
		c.Dir = dir
	} else if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return err
	}
	d, err := plan(c)
	if err != nil {
		return err
	}
	if err := d.write(); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "Starting a booster, %d agents and %d servers in %s …\n", c.Servers, c.Servers, c.Dir)
	g := &group{dir: c.Dir, program: c.Program, ended: make(chan error, 3+len(d.servers))}
	defer func() { err = errors.Join(err, g.stop()) }()
	if err := d.start(g); err != nil {
		return err
	}
	if err := d.wait(ctx, g); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	d.explain()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.Out, "\nStopping …")
		return nil
	case err := <-g.ended:
		return err
	}
}

// wait returns when all servers are up.
func (d *cluster) wait(ctx context.Context, g *group) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		up, err := d.up(ctx)
		if err == nil && up == len(d.servers) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d servers are up after %s; see the logs in %s", up, len(d.servers), startTime, d.Dir)
		case err := <-g.ended:
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// up asks the booster how many servers are up.
func (d *cluster) up(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.Admin+"/omflow/servers", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return countUp(resp.Body)
}
