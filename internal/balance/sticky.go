package balance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
	"time"
)

// Sticky is what the sticky cookie says. Times have a resolution of a second.
type Sticky struct {
	// Server is the ID of the server the session is on.
	Server uint64
	// Session is a random number that tells sessions apart, to count them.
	Session uint64
	// Issued is when the session was put on a server first.
	Issued time.Time
	// Seen is when the cookie was written last; it is written again when that
	// is more than RenewAfter ago, or half of a shorter idle limit, so that the limit
	// can be kept without memory of the session.
	Seen time.Time
}

const (
	// RenewAfter is how old a cookie's Seen may grow before it is written again.
	RenewAfter = time.Minute
	// clockSkew is how far ahead of ours another booster's clock may be.
	clockSkew = 5 * time.Minute

	stickyText = 8 + 8 + 4 + 4
	// stickyMAC is the length of the truncated HMAC-SHA256; RFC 2104 section 5
	// allows half of the hash's length.
	stickyMAC  = 16
	stickySize = stickyText + stickyMAC
)

// StickyLength is the length of a cookie's value, in bytes.
var StickyLength = stickyEncoding.EncodedLen(stickySize)

// stickyEncoding is strict: one cookie has one spelling.
var stickyEncoding = base64.RawURLEncoding.Strict()

// Valid reports whether the session may still be on its server: seen within
// idle and put there within maxAge, where 0 means without limit.
func (s Sticky) Valid(now time.Time, idle, maxAge time.Duration) bool {
	if s.Seen.After(now.Add(clockSkew)) || s.Issued.After(now.Add(clockSkew)) {
		return false
	}
	return (idle == 0 || now.Sub(s.Seen) <= idle) && (maxAge == 0 || now.Sub(s.Issued) <= maxAge)
}

// StickyKeys writes and reads sticky cookies: a server ID, a session number and
// two times, signed. The first key signs, all are accepted. Any goroutine may
// use it.
type StickyKeys struct {
	macs []sync.Pool
}

// NewStickyKeys takes at least one key of at least 16 bytes.
func NewStickyKeys(keys [][]byte) (*StickyKeys, error) {
	if len(keys) == 0 {
		return nil, errors.New("sticky cookies need a key")
	}
	k := &StickyKeys{macs: make([]sync.Pool, len(keys))}
	for i, key := range keys {
		if len(key) < 16 {
			return nil, errors.New("a key for sticky cookies must have 16 bytes or more")
		}
		key = append([]byte(nil), key...)
		k.macs[i].New = func() any { return &stickyState{mac: hmac.New(sha256.New, key)} }
	}
	return k, nil
}

// stickyState holds one goroutine's buffers.
type stickyState struct {
	mac hash.Hash
	raw [stickySize]byte
	sum [sha256.Size]byte
	out [64]byte
}

func (st *stickyState) sign() []byte {
	st.mac.Reset()
	st.mac.Write(st.raw[:stickyText])
	return st.mac.Sum(st.sum[:0])[:stickyMAC]
}

// Seal returns the cookie's value.
func (k *StickyKeys) Seal(s Sticky) string {
	st := k.macs[0].Get().(*stickyState)
	defer k.macs[0].Put(st)
	binary.BigEndian.PutUint64(st.raw[0:], s.Server)
	binary.BigEndian.PutUint64(st.raw[8:], s.Session)
	binary.BigEndian.PutUint32(st.raw[16:], uint32(s.Issued.Unix()))
	binary.BigEndian.PutUint32(st.raw[20:], uint32(s.Seen.Unix()))
	copy(st.raw[stickyText:], st.sign())
	stickyEncoding.Encode(st.out[:StickyLength], st.raw[:])
	return string(st.out[:StickyLength])
}

// Open reads a cookie's value. It reports false for everything that was not
// made by Seal with one of the keys.
func (k *StickyKeys) Open(value string) (Sticky, bool) {
	if len(value) != StickyLength {
		return Sticky{}, false
	}
	for i := range k.macs {
		if s, ok := k.open(&k.macs[i], value); ok {
			return s, true
		}
	}
	return Sticky{}, false
}

func (k *StickyKeys) open(pool *sync.Pool, value string) (Sticky, bool) {
	st := pool.Get().(*stickyState)
	defer pool.Put(st)
	copy(st.out[:], value)
	n, err := stickyEncoding.Decode(st.raw[:], st.out[:StickyLength])
	if err != nil || n != stickySize {
		return Sticky{}, false
	}
	if !hmac.Equal(st.sign(), st.raw[stickyText:]) {
		return Sticky{}, false
	}
	return Sticky{
		Server:  binary.BigEndian.Uint64(st.raw[0:]),
		Session: binary.BigEndian.Uint64(st.raw[8:]),
		Issued:  time.Unix(int64(binary.BigEndian.Uint32(st.raw[16:])), 0),
		Seen:    time.Unix(int64(binary.BigEndian.Uint32(st.raw[20:])), 0),
	}, true
}
