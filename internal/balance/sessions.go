package balance

import (
	"sync"
	"time"
)

const (
	// sessionOpen is how long after its last request a session counts as open:
	// OMFLOW ends a session 130 s after its page has stopped polling.
	sessionOpen = 130 * time.Second
	// maxSessions bounds the sessions that are counted; more are served, but
	// not counted.
	maxSessions   = 1 << 18
	sessionShards = 16
)

// sessionTable counts the open sessions of each server.
type sessionTable struct {
	shards [sessionShards]struct {
		sync.Mutex
		seen map[uint64]session
	}
}

type session struct {
	server *Server
	last   time.Duration
}

// touch notes that a request of the session was given to the server.
func (t *sessionTable) touch(now time.Duration, key uint64, server *Server) {
	shard := &t.shards[key%sessionShards]
	shard.Lock()
	defer shard.Unlock()
	old, known := shard.seen[key]
	if !known && len(shard.seen) >= maxSessions/sessionShards {
		return
	}
	if old.server != server {
		if known {
			old.server.sessions.Add(-1)
		}
		server.sessions.Add(1)
	}
	if shard.seen == nil {
		shard.seen = make(map[uint64]session)
	}
	shard.seen[key] = session{server: server, last: now}
}

// sweep forgets the sessions of one shard that are not open any more.
func (t *sessionTable) sweep(now time.Duration, shardNumber int) {
	shard := &t.shards[shardNumber%sessionShards]
	shard.Lock()
	defer shard.Unlock()
	for key, s := range shard.seen {
		if now-s.last > sessionOpen {
			s.server.sessions.Add(-1)
			delete(shard.seen, key)
		}
	}
}
