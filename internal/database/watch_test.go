package database

import (
	"context"
	"testing"
	"time"
)

// next waits for the next Status that is as wanted.
func next(t *testing.T, watch <-chan Status, what string, ok func(Status) bool) Status {
	t.Helper()
	deadline := time.After(30 * time.Second)
	var last Status
	for {
		select {
		case s, open := <-watch:
			if last = s; !open {
				t.Fatalf("%s: the watch has ended", what)
			}
			if ok(s) {
				return s
			}
		case <-deadline:
			t.Fatalf("%s: not in time; the last status is %+v", what, last)
		}
	}
}

// TestWatch: a restart of the database is seen, and told once.
func TestWatch(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := mustOpen(t, c.admin).Watch(ctx, 50*time.Millisecond)
	next(t, watch, "it is up", func(s Status) bool { return s.Up && s.Lost == 0 })
	c.stop()
	down := next(t, watch, "it is down", func(s Status) bool { return !s.Up })
	if down.Lost != 1 || down.Err == nil {
		t.Errorf("stopped: %+v", down)
	}
	if err := c.up(); err != nil {
		t.Fatal(err)
	}
	next(t, watch, "it is up again", func(s Status) bool { return s.Up && s.Lost == 1 })
	cancel()
	for range watch { // it ends
	}
}

// TestWatchTellsARestartFromALostConnection: between two questions all connections
// were ended, or one.
func TestWatchTellsARestartFromALostConnection(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_watch LOGIN PASSWORD 'right'`, `CREATE DATABASE d_watch OWNER u_watch`)
	w := &watch{db: mustOpen(t, c.target("u_watch", "right", "d_watch"))}
	defer w.close()
	look := func(what string, lost int) {
		t.Helper()
		if s := w.look(context.Background(), 5*time.Second); !s.Up || s.Lost != lost || s.Err != nil {
			t.Errorf("%s: %+v, want %d losses", what, s, lost)
		}
	}
	look("at first", 0)
	c.stop()
	if err := c.up(); err != nil {
		t.Fatal(err)
	}
	look("after a restart", 1)
	look("a while later", 1)
	c.do(t, "postgres", `SELECT pg_terminate_backend(min(pid)) FROM pg_stat_activity WHERE usename = 'u_watch'`)
	look("one connection was ended", 1)
	c.do(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'u_watch'`)
	look("all connections were ended", 2)
}
