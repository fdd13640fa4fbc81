//go:build linux

package netns

import (
	"bufio"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/boottime"
)

const (
	// every is the time between two connections of the client.
	every = 10 * time.Millisecond
	// patience is how long one may take.
	patience = 300 * time.Millisecond
)

// try is one connection of the client.
type try struct {
	Began, Ended time.Duration
	Node         string // who answered, "" for nobody
}

// clientMain opens a connection to addr again and again and writes down how it
// went, a line each, until it is killed.
func clientMain(addr string, out *bufio.Writer) error {
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	for range time.Tick(every) {
		go func() {
			t := try{Began: boottime.Now()}
			t.Node = ask(addr)
			t.Ended = boottime.Now()
			mu.Lock()
			defer mu.Unlock()
			_ = enc.Encode(t)
			_ = out.Flush()
		}()
	}
	return nil
}

// ask returns the name of who answers at addr.
func ask(addr string) string {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSpace(line)
}

// record are the client's tries so far.
type record struct {
	mu    sync.Mutex
	tries []try
}

func (r *record) read(in *bufio.Scanner) {
	for in.Scan() {
		var t try
		if json.Unmarshal(in.Bytes(), &t) == nil {
			r.mu.Lock()
			r.tries = append(r.tries, t)
			r.mu.Unlock()
		}
	}
}

// since returns the tries that began after at and have ended.
func (r *record) since(at time.Duration) (out []try) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tries {
		if t.Began > at {
			out = append(out, t)
		}
	}
	return out
}

// served returns who answered last, if all tries of the last while were
// answered by one node.
func (r *record) served(while time.Duration) string {
	name := ""
	tries := r.since(boottime.Now() - while)
	if len(tries) < int(while/every)/2 {
		return ""
	}
	for i, t := range tries {
		if t.Node == "" || i > 0 && t.Node != name {
			return ""
		}
		name = t.Node
	}
	return name
}
