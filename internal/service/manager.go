package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is how often a service that starts or ends is looked at.
const pollInterval = 200 * time.Millisecond

// Manager is the machine's service manager. Its methods may be called concurrently.
type Manager struct{ scm scm }

// scm is the service manager as Windows has it.
type scm interface {
	create(Config) error
	// open returns ErrNotInstalled for an unknown name.
	open(name string) (handle, error)
	close() error
}

// handle is one service.
type handle interface {
	start() error
	stop() error
	query() (Status, error)
	remove() error
	close() error
}

// Open connects to the machine's service manager. The error wraps ErrUnsupported where
// there is none.
func Open() (*Manager, error) {
	s, err := connect()
	if err != nil {
		return nil, fmt.Errorf("open the service manager: %w", err)
	}
	return &Manager{scm: s}, nil
}

// Close ends the connection.
func (m *Manager) Close() error { return m.scm.close() }

// Install registers a service, and starts nothing.
func (m *Manager) Install(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if _, err := m.Status(c.Name); err == nil {
		return fmt.Errorf("install service %s: it is installed already: uninstall it first", c.Name)
	} else if !errors.Is(err, ErrNotInstalled) {
		return err
	}
	if err := m.scm.create(c); err != nil {
		return fmt.Errorf("install service %s: %w", c.Name, err)
	}
	return nil
}

// Start starts a service and returns when it runs: Caddy says so when its configuration
// is in force. A service that ends instead is an error. One that runs is left alone, and
// one that is ending is started when it has ended.
func (m *Manager) Start(ctx context.Context, name string) error {
	return m.with("start", name, func(h handle) error {
		s, err := h.query()
		if err != nil {
			return err
		}
		if s.State == Stopping {
			if s, err = await(ctx, h, func(s Status) bool { return s.State != Stopping }); err != nil {
				return err
			}
		}
		if s.State == Stopped {
			if err := h.start(); err != nil {
				return err
			}
		}
		s, err = await(ctx, h, func(s Status) bool { return s.State == Running || s.State == Stopped })
		if err == nil && s.State == Stopped {
			err = fmt.Errorf("it ended by itself with code %d: run it in a prompt to see why", s.ExitCode)
		}
		return err
	})
}

// Stop asks a service to end, and returns when it has, or with the error of ctx. One that
// does not run is left alone.
func (m *Manager) Stop(ctx context.Context, name string) error {
	return m.with("stop", name, func(h handle) error { return stop(ctx, h) })
}

func stop(ctx context.Context, h handle) error {
	s, err := h.query()
	if err != nil {
		return err
	}
	if s.State == Starting { // it does not listen yet
		if s, err = await(ctx, h, func(s Status) bool { return s.State != Starting }); err != nil {
			return err
		}
	}
	if s.State == Running {
		if err := h.stop(); err != nil {
			return err
		}
	}
	_, err = await(ctx, h, func(s Status) bool { return s.State == Stopped })
	return err
}

// Uninstall stops a service and removes it.
func (m *Manager) Uninstall(ctx context.Context, name string) error {
	return m.with("uninstall", name, func(h handle) error {
		if err := stop(ctx, h); err != nil {
			return fmt.Errorf("stop it: %w", err)
		}
		return h.remove()
	})
}

// Status asks for what a service does.
func (m *Manager) Status(name string) (s Status, err error) {
	err = m.with("look at", name, func(h handle) error {
		s, err = h.query()
		return err
	})
	return s, err
}

// with has f use a service.
func (m *Manager) with(what, name string, f func(handle) error) error {
	if err := checkName(name); err != nil {
		return err
	}
	h, err := m.scm.open(name)
	if err != nil {
		return fmt.Errorf("%s service %s: %w", what, name, err)
	}
	if err := errors.Join(f(h), h.close()); err != nil {
		return fmt.Errorf("%s service %s: %w", what, name, err)
	}
	return nil
}

// await looks at a service until it is as wanted.
func await(ctx context.Context, h handle, ok func(Status) bool) (Status, error) {
	for {
		s, err := h.query()
		if err != nil || ok(s) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("it is still %s: %w", s.State, ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}
