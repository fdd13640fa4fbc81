package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

const (
	// validBefore and validAfter are the life of a node's certificate around
	// the moment it was minted. Machines whose clocks were never set are off
	// by hours (a wrong time zone taken for UTC), seldom by a day.
	validBefore = 24 * time.Hour
	validAfter  = 48 * time.Hour

	// remintAfter is the age at which a certificate is replaced when it is
	// next used; a peer whose clock is 24 hours ahead still accepts it then
	// for another 12 hours.
	remintAfter = 12 * time.Hour
)

// authority is the certificate authority that a cluster key is.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// newAuthority makes the authority's certificate. Its bytes need not be the
// same on all nodes: verification looks at subject and public key only.
func newAuthority(key ed25519.PrivateKey) (authority, error) {
	id := sha256.Sum256(key.Public().(ed25519.PublicKey))
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		// The subject differs from key to key, so that verification never
		// tries a certificate against the wrong authority of several.
		Subject:               pkix.Name{CommonName: "OMFLOW Booster cluster " + hex.EncodeToString(id[:8])},
		SubjectKeyId:          id[:20],
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no end: RFC 5280 section 4.1.2.5
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("create authority certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("read authority certificate back: %w", err)
	}
	return authority{cert: cert, key: key}, nil
}

// mint makes a certificate for p over key, around now.
func (a authority) mint(p Peer, key ed25519.PrivateKey, now time.Time) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose certificate number: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: p.Name},
		URIs:         []*url.URL{p.uri()},
		NotBefore:    now.Add(-validBefore),
		NotAfter:     now.Add(validAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		// Each node is a server to some peers and a client to others.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("create node certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read node certificate back: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
