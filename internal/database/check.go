package database

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// StepName is one step of a check.
type StepName string

// The steps of [DB.Check], in this order.
const (
	StepReach   StepName = "reach"        // a connection to the machine's port
	StepSignIn  StepName = "sign in"      // TLS, user and password, the database
	StepVersion StepName = "version"      // a first question
	StepCreate  StepName = "create table" // a scratch table
	StepWrite   StepName = "write"
	StepRead    StepName = "read"
	StepChange  StepName = "change"
	StepDelete  StepName = "delete"
	StepAlter   StepName = "alter table" // as OMFLOW's migrations do
	StepIndex   StepName = "create index"
	StepDrop    StepName = "drop table"
)

// dropTimeout bounds the dropping of the scratch table, which is tried even
// when the check was cancelled.
const dropTimeout = 10 * time.Second

// maxVersion bounds what is kept of a version, in bytes.
const maxVersion = 200

// Step is what became of one step.
type Step struct {
	Name StepName
	// Took is how long the step ran.
	Took time.Duration
	// Err is nil when the step went well.
	Err error
	// Kind is what [Classify] says of Err.
	Kind Kind
	// Missing says what to do, in words; empty when the step went well.
	Missing string
	// Grant is the statement, for an administrator of this engine, that gives
	// what was missing. Empty when no statement does. <password> stands where
	// the password goes.
	Grant string
	// GrantAll gives all the rights that OMFLOW needs at once, where Grant gives but
	// the one that was missing. Empty when that is the same.
	GrantAll string
}

// Report is the outcome of a check.
type Report struct {
	// Target is what was checked, without its password.
	Target string
	// Version is what the database calls itself.
	Version string
	// Steps are those that were taken. What follows a step that failed is not
	// taken, except that a scratch table is dropped.
	Steps []Step
	// Left is the name of the scratch table when it was, or may have been, made
	// and could not be dropped.
	Left string
}

// Failed returns the first step that failed, or nil.
func (r Report) Failed() *Step {
	for i := range r.Steps {
		if r.Steps[i].Err != nil {
			return &r.Steps[i]
		}
	}
	return nil
}

// Check does in the database, over a connection of its own, what OMFLOW and
// its migrations do: it makes a table, writes, reads, changes, deletes, alters
// the table, makes an index, and drops the table again. It takes as long as
// the database does; ctx bounds that, and at most 10 s are added for dropping
// the table after ctx ended. The table is called omflow_check_ and 12 random
// hex digits, so that checks from several machines don't meet.
func (db *DB) Check(ctx context.Context) Report {
	c := &check{db: db, sql: db.dialect.sql, pool: db.newPool(1), report: Report{Target: db.target.String()}}
	defer c.pool.Close() // reports nothing that a person could mend
	if c.connect(ctx) && c.step(ctx, StepVersion, c.version) {
		c.table(ctx)
	}
	return c.report
}

// check is a Check that runs.
type check struct {
	db     *DB
	sql    *statements
	pool   *sql.DB
	report Report
}

// connect takes the first two steps, which are one call of the driver's.
func (c *check) connect(ctx context.Context) bool {
	a := &attempt{}
	start := time.Now()
	conn, err := c.pool.Conn(context.WithValue(ctx, attemptKey{}, a))
	took := time.Since(start)
	if err == nil {
		conn.Close() // back to the pool
	}
	reached, reachTook := a.reach()
	if !reached {
		return c.add(StepReach, took, err)
	}
	c.add(StepReach, reachTook, nil)
	return c.add(StepSignIn, took-reachTook, err)
}

func (c *check) version(ctx context.Context) error {
	var version string
	if err := c.pool.QueryRowContext(ctx, c.sql.version).Scan(&version); err != nil {
		return err
	}
	version, _, _ = strings.Cut(version, "\n")
	c.report.Version = strings.ToValidUTF8(version[:min(len(version), maxVersion)], "")
	return nil
}

// table takes the steps from create to drop.
func (c *check) table(ctx context.Context) {
	name := scratchName()
	if c.sql.probeDrop != "" {
		if err := c.exec(ctx, c.sql.probeDrop, name); err != nil {
			c.add(StepDrop, 0, err)
			return
		}
	}
	if !c.step(ctx, StepCreate, func(ctx context.Context) error { return c.exec(ctx, c.sql.create, name) }) {
		// An answer that got lost may have been a yes.
		if kind := c.report.Failed().Kind; kind == Unreachable || ctx.Err() != nil {
			c.drop(ctx, name)
		}
		return
	}
	for _, step := range []struct {
		name StepName
		run  func(context.Context) error
	}{
		{StepWrite, func(ctx context.Context) error { return c.exec(ctx, c.sql.write, name) }},
		{StepRead, func(ctx context.Context) error { return c.read(ctx, name, c.sql.text) }},
		{StepChange, func(ctx context.Context) error {
			if err := c.exec(ctx, c.sql.change, name); err != nil {
				return err
			}
			return c.read(ctx, name, "changed")
		}},
		{StepDelete, func(ctx context.Context) error { return c.exec(ctx, c.sql.remove, name) }},
		{StepAlter, func(ctx context.Context) error { return c.exec(ctx, c.sql.alter, name) }},
		{StepIndex, func(ctx context.Context) error { return c.exec(ctx, c.sql.index, name) }},
	} {
		if !c.step(ctx, step.name, step.run) {
			break
		}
	}
	start := time.Now()
	if err := c.drop(ctx, name); err != nil || c.report.Failed() == nil {
		c.add(StepDrop, time.Since(start), err)
	}
}

// drop drops the scratch table, even when ctx has ended.
func (c *check) drop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	err := c.exec(ctx, c.sql.drop, name)
	if err != nil && Classify(err) != NoTable {
		c.report.Left = name
	}
	return err
}

func (c *check) exec(ctx context.Context, statement, table string) error {
	_, err := c.pool.ExecContext(ctx, scratch(statement, table))
	return err
}

func (c *check) read(ctx context.Context, table, want string) error {
	var got string
	if err := c.pool.QueryRowContext(ctx, scratch(c.sql.read, table)).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: wrote %q and read %.40q", errChanged, want, got)
	}
	return nil
}

// step runs one step, notes it, and reports whether it went well.
func (c *check) step(ctx context.Context, name StepName, run func(context.Context) error) bool {
	start := time.Now()
	err := run(ctx)
	return c.add(name, time.Since(start), err)
}

func (c *check) add(name StepName, took time.Duration, err error) bool {
	s := Step{Name: name, Took: took, Err: err, Kind: Classify(err)}
	if err != nil {
		s.Missing, s.Grant = missing(c.db.target, name, s.Kind, err), c.db.dialect.grant(c.db.target, name, s.Kind)
		if all := c.db.dialect.all; all != nil && s.Kind == NoRight && name != StepSignIn {
			if s.GrantAll = all(c.db.target); s.GrantAll == s.Grant {
				s.GrantAll = ""
			}
		}
	}
	c.report.Steps = append(c.report.Steps, s)
	return err == nil
}

func scratchName() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return "omflow_check_" + hex.EncodeToString(b[:])
}

// missing says in words what a step lacked.
func missing(t Target, step StepName, kind Kind, err error) string {
	switch kind {
	case Unreachable:
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
			return fmt.Sprintf("the name %q is not known on this machine: is it written right, and does DNS or the hosts file have it?", t.Host)
		}
		if step == StepReach {
			return fmt.Sprintf("nothing answers at %s: is the database running, is the address right, is the port open in the firewall?", t.Address())
		}
		return fmt.Sprintf("%s at %s takes no work now: is it starting, stopping or full, and is it %[1]s that answers there?", t.Engine, t.Address())
	case SignInRefused:
		return fmt.Sprintf("the user %q must exist with this password and be let in from this machine", t.User)
	case NoDatabase:
		if t.Engine == Oracle {
			return fmt.Sprintf("the listener knows no %q: is it a SID rather than a service name, or the other way round? lsnrctl status lists the services", t.Name)
		}
		return fmt.Sprintf("the database %q must exist and be open to the user %q", t.Name, t.User)
	case Characters:
		return fmt.Sprintf("the database %q was made for fewer characters than OMFLOW writes: Chinese text and emoji must fit", t.Name)
	case NoRight:
		if t.Engine == MySQL && step == StepSignIn {
			return fmt.Sprintf("the user %q has no right at all in the database %q, or there is none of that name: to this user the server says the same of both", t.User, t.Name)
		}
		return fmt.Sprintf("the user %q lacks a right in the database %q for: %s", t.User, t.Name, step)
	case ReadOnly:
		return "the database takes no writes: OMFLOW needs the primary"
	}
	if step == StepReach || step == StepSignIn {
		return fmt.Sprintf("what answers at %s must be %s, and its TLS must fit the options", t.Address(), t.Engine)
	}
	return fmt.Sprintf("the step %q failed for another reason than a right", step)
}
