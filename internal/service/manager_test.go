package service

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a service manager with at most one service.
type fake struct {
	installed *Config
	status    Status
	startsIn  time.Duration // until it runs
	fails     bool          // it ends instead
	endsIn    time.Duration // until it has ended
	stops     int
	due       time.Time
	next      Status
	opened    int
}

func (f *fake) create(c Config) error { f.installed, f.status = &c, Status{State: Stopped}; return nil }
func (f *fake) open(name string) (handle, error) {
	if f.installed == nil || f.installed.Name != name {
		return nil, ErrNotInstalled
	}
	f.opened++
	return f, nil
}
func (f *fake) close() error { f.opened--; return nil }
func (f *fake) start() error {
	f.status, f.due, f.next = Status{State: Starting}, time.Now().Add(f.startsIn), Status{State: Running, PID: 7}
	if f.fails {
		f.next = Status{State: Stopped, ExitCode: 1}
	}
	return nil
}
func (f *fake) stop() error {
	f.stops++
	f.status, f.due, f.next = Status{State: Stopping, PID: 7}, time.Now().Add(f.endsIn), Status{State: Stopped}
	return nil
}
func (f *fake) query() (Status, error) {
	if f.next.State != "" && !time.Now().Before(f.due) {
		f.status, f.next = f.next, Status{}
	}
	return f.status, nil
}
func (f *fake) remove() error { f.installed = nil; return nil }

func config(t *testing.T) Config {
	t.Helper()
	program, err := filepath.Abs("booster.exe")
	if err != nil {
		t.Fatal(err)
	}
	return Config{Name: "omflow-agent", Program: program, Args: []string{"run", "--config", `C:\a b\agent.Caddyfile`}}
}

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{startsIn: 3 * time.Second, endsIn: 30 * time.Second}
		m := &Manager{f}
		if _, err := m.Status("omflow-agent"); !errors.Is(err, ErrNotInstalled) {
			t.Errorf("before: %v", err)
		}
		c := config(t)
		if err := m.Install(c); err != nil {
			t.Fatal(err)
		}
		if err := m.Install(c); err == nil || !strings.Contains(err.Error(), "installed already") {
			t.Errorf("installed twice: %v", err)
		}
		start := time.Now()
		for range 2 { // the second finds it running
			if err := m.Start(t.Context(), c.Name); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("it started within %s", took)
		}
		if s, err := m.Status(c.Name); err != nil || s != (Status{State: Running, PID: 7}) {
			t.Errorf("%+v, %v", s, err)
		}
		// A stop that takes too long goes on, and is waited for by the next.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := m.Stop(ctx, c.Name)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "it is still stopping") {
			t.Errorf("a short stop: %v", err)
		}
		if err := m.Uninstall(t.Context(), c.Name); err != nil {
			t.Fatal(err)
		}
		if f.stops != 1 || f.installed != nil || time.Since(start) < 33*time.Second {
			t.Errorf("%d stops, installed: %v, after %s", f.stops, f.installed, time.Since(start))
		}
		if f.opened != 0 {
			t.Errorf("%d services are left open", f.opened)
		}
	})
}

// TestFailedStart: a program that ends at once is told, with its code.
func TestFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(t)
		f := &fake{installed: &c, status: Status{State: Stopped}, startsIn: time.Second, fails: true}
		if err := (&Manager{f}).Start(t.Context(), c.Name); err == nil || !strings.Contains(err.Error(), "ended by itself with code 1") {
			t.Errorf("%v", err)
		}
	})
}

// TestStopWhileStarting: one that does not listen yet is waited for.
func TestStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(t)
		f := &fake{installed: &c, startsIn: 2 * time.Second, endsIn: time.Second}
		f.start()
		if err := (&Manager{f}).Stop(t.Context(), c.Name); err != nil || f.status.State != Stopped || f.stops != 1 {
			t.Errorf("%v, %+v after %d stops", err, f.status, f.stops)
		}
	})
}

// TestStartWhileStopping: one that is ending is waited for, and started again.
func TestStartWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(t)
		f := &fake{installed: &c, status: Status{State: Running}, startsIn: time.Second, endsIn: 5 * time.Second}
		f.stop()
		if err := (&Manager{f}).Start(t.Context(), c.Name); err != nil || f.status.State != Running {
			t.Errorf("%v, %+v", err, f.status)
		}
	})
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no name":      func(c *Config) { c.Name = "" },
		"slash":        func(c *Config) { c.Name = `a\b` },
		"long":         func(c *Config) { c.Name = strings.Repeat("a", 257) },
		"relative":     func(c *Config) { c.Program = "booster.exe" },
		"NUL":          func(c *Config) { c.Args = []string{"a\x00"} },
		"NUL password": func(c *Config) { c.Password = "s3cret\x00" },
	} {
		c := config(t)
		change(&c)
		f := new(fake)
		if err := (&Manager{f}).Install(c); err == nil || f.installed != nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := config(t).Validate(); err != nil {
		t.Error(err)
	}
}
