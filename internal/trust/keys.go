package trust

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

const (
	// keySize is the length of a cluster key in bytes, the strength of the
	// AES-256 and Ed25519 keys that come from it.
	keySize = 32

	// maxKeys bounds what every handshake and every packet from a stranger is
	// tried against. A rotation needs two.
	maxKeys = 8

	// salt is HKDF's salt. It is public and separates our derivations from
	// those of any other program that is given the same secret.
	salt = "omflow-booster/1"
)

// HKDF info strings: one for each use, never changed, since all nodes of a
// cluster must derive the same.
const (
	infoGossip = "gossip packets"
	infoCookie = "sticky cookies"
	infoCA     = "node certificates"
	infoLabel  = "labels of secrets"
)

// Generate returns a new cluster key: 32 bytes from the operating system's
// random generator in standard base64, 44 characters.
func Generate() string {
	var b [keySize]byte
	// crypto/rand.Read never returns an error; it ends the program when the
	// operating system has no randomness.
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// Keys are the cluster keys in force, first the one that is used, and what was
// derived from them. The zero value holds no key. Keys are immutable, may be
// copied, and may be used by any number of goroutines. However they are
// printed, logged or marshalled, nothing of a secret appears.
type Keys struct {
	// Pointers, so that even reflection that ignores Format prints addresses.
	set      []*derived
	loopback bool
}

// derived is one cluster key and all that comes from it.
type derived struct {
	secret []byte
	gossip []byte
	cookie []byte
	label  []byte
	ca     authority
}

// Parse reads cluster keys as Generate writes them; padding may be missing and
// white space around a key is ignored. The first is used, all are accepted. An
// error names the position of the wrong key and what to write instead, never
// the key. Without any key, with more than eight or with one given twice it
// fails.
func Parse(secrets []string) (Keys, error) {
	if len(secrets) == 0 {
		return Keys{}, errors.New("read cluster key: no key given; make one with `booster omflow keygen` and give the same to all nodes")
	}
	if len(secrets) > maxKeys {
		return Keys{}, fmt.Errorf("read cluster key: %d keys given, at most %d are accepted; remove the oldest", len(secrets), maxKeys)
	}
	var k Keys
	for i, s := range secrets {
		secret, err := decode(s)
		if err != nil {
			return Keys{}, fmt.Errorf("read cluster key %d of %d: %w", i+1, len(secrets), err)
		}
		if slices.ContainsFunc(k.set, func(d *derived) bool { return subtle.ConstantTimeCompare(d.secret, secret) == 1 }) {
			return Keys{}, fmt.Errorf("read cluster key %d of %d: the key is given twice; write it once", i+1, len(secrets))
		}
		d, err := derive(secret)
		if err != nil {
			return Keys{}, fmt.Errorf("derive from cluster key %d of %d: %w", i+1, len(secrets), err)
		}
		k.set = append(k.set, d)
	}
	return k, nil
}

// decode reads one key. The errors must not carry any part of it.
func decode(s string) ([]byte, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	if s == "" {
		return nil, errors.New("the key is empty; write one that `booster omflow keygen` printed")
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64; write one that `booster omflow keygen` printed")
	}
	if len(b) != keySize {
		return nil, fmt.Errorf("%d bytes long instead of %d; write one that `booster omflow keygen` printed", len(b), keySize)
	}
	if subtle.ConstantTimeCompare(b, make([]byte, keySize)) == 1 {
		return nil, errors.New("all zero, which is no secret; write one that `booster omflow keygen` printed")
	}
	return b, nil
}

func derive(secret []byte) (*derived, error) {
	expand := func(info string) ([]byte, error) {
		b, err := hkdf.Key(sha256.New, secret, []byte(salt), info, keySize)
		if err != nil {
			return nil, fmt.Errorf("expand %q: %w", info, err)
		}
		return b, nil
	}
	gossip, err := expand(infoGossip)
	if err != nil {
		return nil, err
	}
	cookie, err := expand(infoCookie)
	if err != nil {
		return nil, err
	}
	label, err := expand(infoLabel)
	if err != nil {
		return nil, err
	}
	seed, err := expand(infoCA)
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, err
	}
	return &derived{secret: secret, gossip: gossip, cookie: cookie, label: label, ca: ca}, nil
}

// Gossip returns the keys for gossip packets, 32 bytes each, for AES-256. The
// first seals, all open. The caller must not change them.
func (k Keys) Gossip() [][]byte {
	out := make([][]byte, len(k.set))
	for i, d := range k.set {
		out[i] = d.gossip
	}
	return out
}

// Cookie returns the keys for signed cookies, 32 bytes each, for HMAC-SHA-256.
// The first signs, all verify. The caller must not change them.
func (k Keys) Cookie() [][]byte {
	out := make([][]byte, len(k.set))
	for i, d := range k.set {
		out[i] = d.cookie
	}
	return out
}

// Len returns how many keys are in force.
func (k Keys) Len() int { return len(k.set) }

// IsLoopback says whether these are Loopback's keys, which protect nothing and
// are good on loopback addresses only.
func (k Keys) IsLoopback() bool { return k.loopback }

// Equal says whether both hold the same keys in the same order.
func (k Keys) Equal(o Keys) bool {
	return k.loopback == o.loopback && slices.EqualFunc(k.set, o.set, func(a, b *derived) bool {
		return subtle.ConstantTimeCompare(a.secret, b.secret) == 1
	})
}

// roots returns the authorities that are accepted.
func (k Keys) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, d := range k.set {
		pool.AddCert(d.ca.cert)
	}
	return pool
}

// redacted is all that is ever printed of keys.
func (k Keys) redacted() string {
	switch {
	case k.loopback:
		return "cluster keys (loopback)"
	case len(k.set) == 0:
		return "cluster keys (none)"
	default:
		return fmt.Sprintf("cluster keys (%d, redacted)", len(k.set))
	}
}

// String returns a text without any secret.
func (k Keys) String() string { return k.redacted() }

// GoString returns a text without any secret, for %#v.
func (k Keys) GoString() string { return k.redacted() }

// Format prints a text without any secret for every verb, also for those like
// %d for which the fmt package would look inside.
func (k Keys) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.redacted()) }

// LogValue returns a text without any secret.
func (k Keys) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

// MarshalText returns a text without any secret. It can't be read back.
func (k Keys) MarshalText() ([]byte, error) { return []byte(k.redacted()), nil }

// MarshalJSON returns a text without any secret. It can't be read back.
func (k Keys) MarshalJSON() ([]byte, error) { return []byte(`"` + k.redacted() + `"`), nil }
