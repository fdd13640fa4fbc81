package trust

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// loopbackKeys derives once: the secret is a constant.
var loopbackKeys = sync.OnceValue(func() Keys {
	secret := sha256.Sum256([]byte("omflow-booster: this key is public"))
	d, err := derive(secret[:])
	if err != nil {
		// The input is constant, so this can only be a broken build.
		panic(fmt.Sprintf("trust: derive the loopback key: %v", err))
	}
	return Keys{set: []*derived{d}, loopback: true}
})

// Loopback returns the key that is used when none is configured. It is the
// same on every machine and no secret: whoever can reach a node that uses it
// can take part in its cluster. Use it only when AllLoopback is true for every
// address that the node listens on, advertises and joins.
func Loopback() Keys { return loopbackKeys() }

// AllLoopback says whether all addresses ("host:port" or "host") can only be
// reached from this machine: addresses in 127.0.0.0/8, ::1, and the name
// "localhost" (RFC 6761 section 6.3). Other names are not looked up, since what
// they mean can change, and count as not loopback, as do the empty host and
// unspecified addresses, which listen everywhere. Without any address it is
// false.
func AllLoopback(addrs ...string) bool {
	for _, a := range addrs {
		if !isLoopback(a) {
			return false
		}
	}
	return len(addrs) > 0
}

func isLoopback(addr string) bool {
	host := addr
	if h, _, err := net.SplitHostPort(addr); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
