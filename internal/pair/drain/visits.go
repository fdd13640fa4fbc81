package drain

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Visits are the connections of clients to one address that HTTP servers of this process
// have. The zero value has none. All methods may be called concurrently.
type Visits struct {
	all sync.Map // net.Conn to *visit
}

// visit is one connection.
type visit struct {
	// state says since when it is as it is, in nanoseconds since epoch, times two, and
	// plus one if a request is in flight.
	state atomic.Int64
	// used is set with the first request.
	used atomic.Bool
	// closing is set when it is being closed by this package.
	closing atomic.Bool
}

// epoch is what times are counted from.
var epoch = time.Now()

func (v *visit) set(busy bool, now time.Time) {
	state := int64(now.Sub(epoch)) << 1
	if busy {
		state |= 1
	}
	v.state.Store(state)
}

// look returns what the connection does, and for how long.
func (v *visit) look(now time.Time) (busy bool, lasted time.Duration) {
	state := v.state.Load()
	return state&1 == 1, now.Sub(epoch) - time.Duration(state>>1)
}

// Watch returns the http.Server's ConnState that notes connections whose address here is
// ip. Connections that are hijacked are forgotten.
func (v *Visits) Watch(ip netip.Addr) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if local, ok := conn.LocalAddr().(*net.TCPAddr); ok && local.AddrPort().Addr().Unmap() == ip {
				fresh := new(visit)
				fresh.set(false, time.Now())
				v.all.Store(conn, fresh)
			}
		case http.StateActive, http.StateIdle:
			if known, ok := v.all.Load(conn); ok {
				known.(*visit).used.Store(true)
				known.(*visit).set(state == http.StateActive, time.Now())
			}
		case http.StateClosed, http.StateHijacked:
			v.all.Delete(conn)
		}
	}
}

// settled reports whether the door may be held, which has been open for a while: no
// request is in flight for long, and each connection that was used has been told that it
// ends, or is not used any more.
func (v *Visits) settled(openFor time.Duration) bool {
	now := time.Now()
	for _, known := range v.all.Range {
		busy, lasted := known.(*visit).look(now)
		switch {
		case busy && lasted >= longRequest:
			return false
		case !busy && known.(*visit).used.Load() && (lasted < silent || openFor < spareTime):
			return false
		}
	}
	return true
}

// close closes those that are idle and have sent nothing, once they have had the time
// for a first request, and returns how many are left.
func (v *Visits) close() (left int) {
	now := time.Now()
	for conn, known := range v.all.Range {
		one := known.(*visit)
		busy, lasted := one.look(now)
		if !busy && (one.used.Load() || lasted >= firstRequest) && !unread(conn.(net.Conn)) && one.closing.CompareAndSwap(false, true) {
			// Its server notices, and says that it is closed. A TLS connection says
			// good-bye, for which one whose client does not read takes five seconds.
			go func() { _ = conn.(net.Conn).Close() }()
		}
		left++
	}
	return left
}
