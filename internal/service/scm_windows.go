package service

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

const (
	// restartAfter is how long after an end that nobody asked for a service is started
	// again, as the systemd units do; Windows counts such ends and begins anew after
	// resetAfter, in seconds. The last action is repeated for all further ends.
	restartAfter = 2 * time.Second
	resetAfter   = 24 * 60 * 60
)

// manager is Windows' own.
type manager struct{ m *mgr.Mgr }

func connect() (scm, error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, explain(err)
	}
	return manager{m}, nil
}

// explain says what to do about an error that a person can mend.
func explain(err error) error {
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return fmt.Errorf("%w: open the prompt as an administrator", err)
	}
	return err
}

func (w manager) close() error { return w.m.Disconnect() }

func (w manager) create(c Config) (err error) {
	s, err := w.m.CreateService(c.Name, c.Program, mgr.Config{
		StartType: mgr.StartAutomatic, DelayedAutoStart: true, ErrorControl: mgr.ErrorNormal,
		DisplayName: c.Title, Description: c.Description, ServiceStartName: c.Account, Password: c.Password,
	}, c.Args...)
	if err != nil {
		return explain(err)
	}
	defer func() {
		if err != nil { // half a service is none
			err = errors.Join(err, s.Delete())
		}
		err = errors.Join(err, s.Close())
	}()
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{{Type: mgr.ServiceRestart, Delay: restartAfter}}, resetAfter); err != nil {
		return fmt.Errorf("have it started again when it ends: %w", explain(err))
	}
	if err := s.SetRecoveryActionsOnNonCrashFailures(true); err != nil {
		return fmt.Errorf("have it started again when it ends with an error: %w", explain(err))
	}
	return nil
}

func (w manager) open(name string) (handle, error) {
	s, err := w.m.OpenService(name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil, ErrNotInstalled
	}
	if err != nil {
		return nil, explain(err)
	}
	return windowsService{s}, nil
}

// windowsService is one service of Windows.
type windowsService struct{ s *mgr.Service }

func (w windowsService) start() error {
	if err := w.s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return explain(err)
	}
	return nil
}

func (w windowsService) stop() error {
	if _, err := w.s.Control(svc.Stop); err != nil && !errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return explain(err)
	}
	return nil
}

func (w windowsService) query() (Status, error) {
	s, err := w.s.Query()
	if err != nil {
		return Status{}, explain(err)
	}
	out := Status{State: Running, PID: s.ProcessId, ExitCode: s.Win32ExitCode}
	switch s.State {
	case svc.Stopped:
		out.State = Stopped
	case svc.StartPending:
		out.State = Starting
	case svc.StopPending:
		out.State = Stopping
	}
	if windows.Errno(s.Win32ExitCode) == windows.ERROR_SERVICE_SPECIFIC_ERROR {
		out.ExitCode = s.ServiceSpecificExitCode
	}
	return out, nil
}

func (w windowsService) remove() error {
	if err := w.s.Delete(); err != nil {
		return explain(err)
	}
	return nil
}

func (w windowsService) close() error { return w.s.Close() }
