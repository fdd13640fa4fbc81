package database

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Status is what a watch says of a database.
type Status struct {
	// Up tells that it answers; Err says why not.
	Up  bool
	Err error
	// Lost counts how often all connections that were open were lost: the database
	// was restarted, or could not be reached.
	Lost int
}

// watched is how many connections a watch keeps. When one of them is lost, somebody
// has ended that one; when both are, the database was away, however short.
const watched = 2

// Watch asks the database at each interval, until ctx ends, and hands on what is new.
// It keeps connections of its own and does not replace one that was lost before it has
// looked at the others: so even a restart of the database between two questions is
// seen. A reader that is slow gets the newest. The channel is closed at the end.
func (db *DB) Watch(ctx context.Context, interval time.Duration) <-chan Status {
	out := make(chan Status, 1)
	w := &watch{db: db}
	go func() {
		defer close(out)
		defer w.close()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		var told Status
		for first := true; ; first = false {
			status := w.look(ctx, interval)
			if ctx.Err() != nil {
				return
			}
			if first || status.Up != told.Up || status.Lost != told.Lost {
				told = status
				select {
				case <-out: // it was not read: it is old now
				default:
				}
				out <- status
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	return out
}

// watch is one goroutine's connections.
type watch struct {
	db    *DB
	pools [watched]*sql.DB
	conns [watched]*sql.Conn // nil where there is none
	lost  int
	// counted tells that the loss that goes on is in lost already.
	counted bool
	begun   bool // it was up before
}

// late reports whether an error says no more than that it took too long: a database
// that is overloaded keeps its connections.
func late(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// lose counts a loss of all connections, once.
func (w *watch) lose() {
	if !w.counted {
		w.counted = true
		w.lost++
	}
}

// look asks on all connections, and opens those that are missing.
func (w *watch) look(ctx context.Context, timeout time.Duration) Status {
	had, dead, slow := 0, 0, 0
	for i, conn := range w.conns {
		if conn == nil {
			continue
		}
		had++
		if err := w.ask(ctx, conn, timeout); err != nil {
			if ctx.Err() != nil {
				return Status{}
			}
			_ = conn.Close()
			w.conns[i] = nil
			dead++
			if late(err) {
				slow++
			}
		}
	}
	if had > 0 && dead == had && slow == 0 {
		w.lose()
	}
	var s Status
	for i := range w.conns {
		if w.conns[i] != nil {
			s.Up = true
			continue
		}
		conn, err := w.open(ctx, i, timeout)
		if err != nil {
			s.Err = err
			continue
		}
		w.conns[i], s.Up = conn, true
	}
	switch {
	case s.Up:
		s.Err, w.counted = nil, false
	case !late(s.Err) && w.begun:
		w.lose() // it was slow, or not reached, before; now it is surely gone
	}
	w.begun = w.begun || s.Up
	s.Lost = w.lost
	return s
}

func (w *watch) open(ctx context.Context, i int, timeout time.Duration) (*sql.Conn, error) {
	if w.pools[i] == nil {
		w.pools[i] = w.db.newPool(1)
		w.pools[i].SetConnMaxLifetime(0) // it is watched for its own end
	}
	// Connecting has a timeout of its own.
	conn, err := w.pools[i].Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.ask(ctx, conn, timeout); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (w *watch) ask(ctx context.Context, conn *sql.Conn, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var one int
	return conn.QueryRowContext(ctx, w.db.dialect.sql.ping).Scan(&one)
}

func (w *watch) close() {
	for i := range w.conns {
		if w.conns[i] != nil {
			_ = w.conns[i].Close()
		}
		if w.pools[i] != nil {
			_ = w.pools[i].Close()
		}
	}
}
