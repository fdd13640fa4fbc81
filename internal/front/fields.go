package front

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/cookie"
)

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// peerIP is the address part of host:port.
func peerIP(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// cookieValue finds a cookie in the lines of the Cookie field.
func cookieValue(lines []string, name string) (string, bool) {
	for _, line := range lines {
		if v, ok := cookie.Value(line, name); ok {
			return v, true
		}
	}
	return "", false
}

// withoutCookie returns the lines as one (RFC 9113 section 8.2.3 joins them so),
// without the cookie.
func withoutCookie(lines []string, name string) (rest string, removed bool) {
	var all strings.Builder // from the second line that is kept on: a client may send very many
	for _, line := range lines {
		kept, gone := cookie.Remove(line, name)
		removed = removed || gone
		kept = strings.Trim(kept, " \t;")
		switch {
		case kept == "":
		case rest == "":
			rest = kept
		default:
			if all.Len() == 0 {
				all.WriteString(rest)
			}
			all.WriteString("; ")
			all.WriteString(kept)
		}
	}
	if all.Len() > 0 {
		rest = all.String()
	}
	return rest, removed
}

// writeCookie tells the client which server its session is on, when it does not
// know yet, has moved, or was told long ago.
func (x *passage) writeCookie(server *balance.Server) {
	cfg := &x.f.cfg
	s := x.sticky
	// A session that is not idle must not seem so because its cookie is old.
	if x.hasSticky && s.Server == server.ID() && x.start.Sub(s.Seen) < min(balance.RenewAfter, cfg.Idle/2) {
		return
	}
	if !x.hasSticky {
		s = balance.Sticky{Session: x.f.random(), Issued: x.start}
	}
	s.Server, s.Seen = server.ID(), x.start
	secure := ""
	if x.r.TLS != nil || x.client.Trusted && strings.EqualFold(first(x.r.Header["X-Forwarded-Proto"]), "https") {
		secure = "; Secure"
	}
	h := x.w.Header()
	h["Set-Cookie"] = append(h["Set-Cookie"],
		cfg.Cookie+"="+cfg.Keys.Seal(s)+"; Path=/; HttpOnly; SameSite=Lax"+secure)
}

// requestID takes over the client's, if it is harmless, or makes one.
func (f *Front) requestID(r *http.Request) string {
	if id := first(r.Header["X-Request-Id"]); id != "" && harmlessID(id) {
		return id
	}
	var buf [32]byte
	b := appendHex(buf[:0], f.idPrefix)
	b = appendHex(b, f.idNext.Add(1))
	return string(b)
}

func (f *Front) random() uint64 { return max(1, mix(f.idPrefix, f.idNext.Add(1))) }

// mix spreads two numbers over one (splitmix64's finalizer).
func mix(a, b uint64) uint64 {
	z := a + b*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func harmlessID(id string) bool {
	if len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

func appendHex(b []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}

// appendMillis writes a duration in milliseconds with two decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := (max(0, d).Microseconds() + 5) / 10
	b = strconv.AppendInt(b, us/100, 10)
	b = append(b, '.', byte('0'+us/10%10), byte('0'+us%10))
	return b
}

// pathKey is a hash of what is asked, for the balancer's memory of how long it
// takes on a resting server (FNV-1a).
func pathKey(method, path string) uint32 {
	h := uint32(2166136261)
	for i := range len(method) {
		h = (h ^ uint32(method[i])) * 16777619
	}
	for i := range min(len(path), 256) {
		h = (h ^ uint32(path[i])) * 16777619
	}
	return h
}
