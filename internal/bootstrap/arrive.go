package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/omflow/booster/internal/durable"
)

// Plan is what a new server is to be, made from an Origin.
type Plan struct {
	// Place is its own.
	Place Place
	// Python and Run are its Python and its command, as in Options.
	Python string
	Run    []string
	// Options are its agent's, as JSON.
	Options json.RawMessage
	// Beside are more names that may be in its folder while that counts as empty.
	Beside []string
}

// Config is what Arrive needs.
type Config struct {
	// Client reaches the other agents. Required.
	Client Client
	// StateDir is the server's state folder. Required.
	StateDir string
	// Plan makes a Plan of an Origin. Its error says what an operator must change.
	// Required.
	Plan func(Origin) (Plan, error)
	// Logger gets what operators should know. Required.
	Logger *slog.Logger
}

// Validate refuses what cannot work.
func (c Config) Validate() error {
	if c.Client.Do == nil || c.Client.Agents == nil || c.StateDir == "" || c.Plan == nil || c.Logger == nil {
		return errors.New("bootstrap: a part is missing")
	}
	return nil
}

// Arrive makes one attempt to bring a server into the cluster, as the package's comment
// says, and returns the Record of one that has arrived. The error says what is missing;
// what was done until then is done again by the next attempt.
func Arrive(ctx context.Context, c Config) (Record, error) {
	if err := c.Validate(); err != nil {
		return Record{}, err
	}
	begun, err := Load(c.StateDir)
	if errors.Is(err, ErrDamaged) {
		c.Logger.Error("it is not known how this server has arrived; it arrives anew", "error", err, "kept", recordFile(c.StateDir)+durable.Damaged)
		err = setAside(c.StateDir)
	}
	if err != nil || begun.Arrived() {
		return begun, err
	}
	o, err := c.Client.Find(ctx)
	if err != nil {
		return Record{}, err
	}
	if o.System != runtime.GOOS {
		return Record{}, fmt.Errorf("server %s runs on %s: a server on %s can't take over its command and its paths: give this one its own OMFLOW Server, and its agent `home`, `server` and `run`",
			o.Name, o.System, runtime.GOOS)
	}
	plan, err := c.Plan(o)
	if err != nil {
		return Record{}, fmt.Errorf("take over the options of server %s: %w", o.Name, err)
	}
	if err := checkHome(plan.Place.Home); err != nil {
		return Record{}, err
	}
	home := plan.Place.Home
	if home == o.Home && isHere(ctx, o.Server) {
		return Record{}, fmt.Errorf("server %s is on this machine and runs in %s: name another folder with `home`", o.Name, home)
	}
	same := false
	if begun.Home != home {
		if same, err = take(ctx, plan, o); err != nil {
			return Record{}, err
		}
	}
	if err := errors.Join(checkPython(ctx, plan.Python, o), checkCommand(home, plan.Run)); err != nil {
		return Record{}, err
	}
	r := Record{Home: home, Server: plan.Place.Server, Origin: o.Name}
	if same {
		c.Logger.Info("the folder holds this cluster's OMFLOW Server already; its settings.py stays", "home", home)
	} else {
		if err := r.save(c.StateDir); err != nil {
			return Record{}, err
		}
		python, err := exec.LookPath(plan.Python)
		if err == nil {
			python, err = filepath.Abs(python)
		}
		if err != nil {
			return Record{}, fmt.Errorf("find Python: %w", err)
		}
		move := Move{Place{o.Name, o.Home, o.Server}, plan.Place}
		if err := furnish(home, move.Settings(o.Settings, python)); err != nil {
			return Record{}, err
		}
		c.hint(o, plan.Place)
	}
	r.Options = plan.Options
	if err := r.save(c.StateDir); err != nil {
		return Record{}, err
	}
	c.Logger.Info("settings and options have come from another server", "origin", o.Name, "home", home, "address", plan.Place.Server)
	return r, nil
}

// hint says that a database is named by an address that means another machine there.
func (c Config) hint(o Origin, here Place) {
	host, _, _ := net.SplitHostPort(o.Database.Address)
	there, _, _ := net.SplitHostPort(o.Server)
	own, _, _ := net.SplitHostPort(here.Server)
	if isLoopback(host) && !isLoopback(there) && there != own {
		c.Logger.Warn("settings.py has its database at an address that is each machine's own, so that another one is meant here: write the database's address into settings.py of all servers",
			"database", o.Database.Address, "origin", o.Name)
	}
}

// lookupTime bounds the question which addresses a name stands for.
const lookupTime = 3 * time.Second

// isHere reports whether an address is one of this machine's. A name that is not known
// here is not.
func isHere(ctx context.Context, address string) bool {
	host, _, _ := net.SplitHostPort(address)
	if isLoopback(host) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip", host) // an address is its own
	own, oerr := net.InterfaceAddrs()
	if err != nil || oerr != nil {
		return false
	}
	return slices.ContainsFunc(ips, func(ip net.IP) bool {
		return ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
			network, ok := a.(*net.IPNet)
			return ok && network.IP.Equal(ip)
		})
	})
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
