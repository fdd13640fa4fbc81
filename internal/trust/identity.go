package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrWrongKey: the peer's certificate was made with a cluster key that is none
// of ours.
var ErrWrongKey = errors.New("the peer uses another cluster key")

// ErrClock: the peer's certificate was made with one of our keys, but is not
// valid now: the clocks of the two machines differ by more than a day.
var ErrClock = errors.New("the clocks of this machine and the peer's differ by more than 24 hours")

// Config says who an Identity is.
type Config struct {
	// Self is this node's name and kind.
	Self Peer
	// Keys are the cluster keys. At least one is needed.
	Keys Keys
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if err := c.Self.Validate(); err != nil {
		return err
	}
	if c.Keys.Len() == 0 {
		return errors.New("no cluster key; make one with `booster omflow keygen`")
	}
	return nil
}

// Identity is a node's own certificate and its verdict on others'. All methods
// may be called concurrently.
type Identity struct {
	self Peer
	now  func() time.Time
	key  ed25519.PrivateKey

	mu    sync.Mutex
	keys  Keys
	roots *x509.CertPool
	cert  *tls.Certificate
	born  time.Time // when cert was minted, by the wall clock alone
}

// NewIdentity makes an identity with a new private key, which never leaves
// the process's memory.
func NewIdentity(c Config) (*Identity, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("make node identity: %w", err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make node identity: %w", err)
	}
	i := &Identity{self: c.Self, now: c.Now, key: key}
	if i.now == nil {
		i.now = time.Now
	}
	if err := i.SetKeys(c.Keys); err != nil {
		return nil, err
	}
	return i, nil
}

// Self returns the node's own name and kind.
func (i *Identity) Self() Peer { return i.self }

// SetKeys replaces the cluster keys. TLS configurations that were handed out
// before use them from their next handshake on; connections that are open are
// not touched (see Verify). On an error the keys stay as they were.
func (i *Identity) SetKeys(keys Keys) error {
	if keys.Len() == 0 {
		return errors.New("set cluster keys: no key given")
	}
	now := i.now()
	cert, err := keys.set[0].ca.mint(i.self, i.key, now)
	if err != nil {
		return fmt.Errorf("set cluster keys: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.roots, i.cert, i.born = keys, keys.roots(), cert, now.Round(0)
	return nil
}

// certificate returns the certificate to present, minted again when it is old,
// or when the clock was set back to before it was made. Its age is the wall clock's,
// which peers judge it by: the monotonic clock notices neither that a clock which was
// wrong at the start has been set since, nor that the machine was suspended for a day.
func (i *Identity) certificate() (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if age := now.Sub(i.born); age < remintAfter && age > -remintAfter {
		return i.cert, nil
	}
	cert, err := i.keys.set[0].ca.mint(i.self, i.key, now)
	if err != nil {
		return nil, fmt.Errorf("mint node certificate: %w", err)
	}
	i.cert, i.born = cert, now.Round(0)
	return cert, nil
}

// ServerTLS returns a configuration for the side that accepts: TLS 1.3, a
// certificate demanded from the client and verified, one of the protocols in
// alpn negotiated (RFC 7301), no resumption. It follows SetKeys.
func (i *Identity) ServerTLS(alpn ...string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             alpn,
		SessionTicketsDisabled: true,
		// Verified by VerifyConnection, which follows SetKeys.
		ClientAuth: tls.RequireAnyClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return i.certificate()
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := i.verify(cs, x509.ExtKeyUsageClientAuth)
			return err
		},
	}
}

// ClientTLS returns a configuration for the side that dials: TLS 1.3, the
// server's certificate verified and our own presented, one of the protocols in
// alpn offered, no resumption. With name not empty the handshake fails when
// the node that answers has another name. It follows SetKeys.
func (i *Identity) ClientTLS(name string, alpn ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: alpn,
		// The standard verification is about host names and a fixed pool; ours
		// is in VerifyConnection, which crypto/tls calls on every handshake.
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return i.certificate()
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			peer, err := i.verify(cs, x509.ExtKeyUsageServerAuth)
			if err != nil {
				return err
			}
			if name != "" && peer.Name != name {
				return fmt.Errorf("the node that answers is %q instead of %q", peer.Name, name)
			}
			return nil
		},
	}
}

// Verify checks the peer of an open connection against the keys in force now
// and returns who it is. After SetKeys it tells which open connections were
// made under a key that is no longer accepted. Errors wrap ErrWrongKey and
// ErrClock where these are the cause.
func (i *Identity) Verify(cs tls.ConnectionState) (Peer, error) {
	return i.verify(cs, x509.ExtKeyUsageAny)
}

func (i *Identity) verify(cs tls.ConnectionState, use x509.ExtKeyUsage) (Peer, error) {
	if len(cs.PeerCertificates) == 0 {
		return Peer{}, errors.New("verify peer: it sent no certificate")
	}
	i.mu.Lock()
	roots := i.roots
	i.mu.Unlock()

	leaf := cs.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:       roots,
		CurrentTime: i.now(),
		KeyUsages:   []x509.ExtKeyUsage{use},
		// Intermediates stay empty: an authority signs nodes and nothing else.
	})
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
	case errors.As(err, &unknown):
		return Peer{}, fmt.Errorf("verify peer: %w", ErrWrongKey)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Peer{}, fmt.Errorf("verify peer: %w", ErrClock)
	default:
		return Peer{}, fmt.Errorf("verify peer: %w", err)
	}
	return peerOf(leaf)
}

// PeerOf returns who is at the other end of a connection whose handshake one
// of this package's configurations has verified. It checks no signature.
func PeerOf(cs tls.ConnectionState) (Peer, error) {
	if len(cs.PeerCertificates) == 0 {
		return Peer{}, errors.New("read peer's certificate: there is none")
	}
	return peerOf(cs.PeerCertificates[0])
}

// IsSelf says whether the other end of a verified connection is this very
// identity: a node that was told to join itself. Another process of the same
// name has another private key.
func (i *Identity) IsSelf(cs tls.ConnectionState) bool {
	if len(cs.PeerCertificates) == 0 {
		return false
	}
	pub, ok := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	return ok && bytes.Equal(pub, i.key.Public().(ed25519.PublicKey))
}
