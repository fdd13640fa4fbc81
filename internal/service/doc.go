// Package service makes a program a Windows service, and starts, stops and removes it.
// It is what `booster omflow service` does, as far as that needs no Caddy.
//
// # What a service gets
//
// [Manager.Install] registers the program with its arguments. It starts with the
// machine, a little after the services that others wait for, runs as the account that is
// named, by default LocalSystem, and is started again 2 s after each end that nobody
// asked for, an exit with an error code included. [Manager.Stop] sends the control
// "stop", which Caddy takes as the signal to end (its file service_windows.go): requests
// in flight end, apps are stopped, and an agent ends its OMFLOW Server. How long that
// takes is up to the caller's context; the service goes on ending after that.
//
// # What fails
//
// Without the rights of an administrator Windows refuses to change services, and the
// error says so. A name that is taken is refused: a service that exists is never changed.
// [Manager.Uninstall] stops the service first; Windows keeps one that somebody has open,
// such as the window of services, until that is closed. Names that are not services are
// [ErrNotInstalled].
//
// # Elsewhere
//
// There is one service manager of Windows, and [Open] fails with [ErrUnsupported] on any
// other system, with the words what to use there. What is decided here is decided over a
// small interface, so that it is tested on every system; the calls into Windows are
// golang.org/x/sys/windows/svc/mgr's. They were compiled and vetted, not run.
package service
