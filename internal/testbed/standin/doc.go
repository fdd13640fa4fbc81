// Package standin is a stand-in for one OMFLOW Server: it answers the URLs that
// tests, demonstrations and benchmarks use as OMFLOW 1.1.0.0 under gunicorn with
// one worker process was measured to answer them, faults included.
//
// # A request's way
//
// The connection is served by net/http. The instruments see the request first
// (package [instrument]: counters, injected faults). Then it waits for one of
// [Config.Threads] threads, first come first served and without a bound, as in
// gunicorn's queue; a client that leaves does not take its request along. The
// thread reads the body, works off the request's cost on the process's one
// interpreter (package [interpreter]) and calls the view in the middle of it, so
// that a process killed during a request may or may not have carried it out.
//
// What is there are the URLs of signing in, tokens, tickets, attachments, the service
// catalogue, schedules, parameters, the sidebar, system settings and of deploying,
// undeploying and switching flows. Any other URL is one that OMFLOW does not know.
//
// Bodies are what Django sees. One that came with Transfer-Encoding is empty. One
// of more than 2.5 MB is ignored unless it is multipart. JSON and forms both make
// the same parameters.
//
// # State
//
// REST tokens live in this process ([tokens]). Sessions live in the database,
// signed with the server's secret key: a server with another key takes them for
// anonymous. Everything about flows is package [engine]'s. Nothing is shared in
// any other way, however many servers run in one process.
//
// # Failure
//
// A view fails in three ways, as OMFLOW's do. A refusal is an HTTP 200 whose JSON
// body has status 403 or 404. Where OMFLOW catches exceptions, a failure is an
// HTTP 200 with status 500 and the exception's text, such as a database that is
// down. Where it does not, which is before the view while the session is read, it
// is an HTTP 500 page.
//
// # Life
//
// [NewServer], [Server.Start], then either [Server.Stop], which is gunicorn's
// SIGTERM (no new connections, requests in flight finish, and the process stays a
// while because OMFLOW's threads never end), or [Server.Kill], which is SIGKILL.
package standin
