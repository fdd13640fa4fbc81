package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Peer is who a certificate speaks for.
type Peer struct {
	// Name is the node's name, unique in its cluster.
	Name string
	// Kind is what the node is: "booster" or "agent".
	Kind string
}

// scheme marks the URI of a node in its certificate: omflow://<kind>/<name>.
// A URI and not a DNS name, because node names are no host names: they may
// have upper-case letters and underscores.
const scheme = "omflow"

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	kindPattern = regexp.MustCompile(`^[a-z]{1,16}$`)
)

// ValidName says whether s can be a node's name: 1 to 63 letters, digits,
// dots, hyphens and underscores, with a letter or digit at both ends. Such a
// name needs no escaping in a URI, a file name, a header or a log line.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// Validate says what is wrong with p's name or kind.
func (p Peer) Validate() error {
	if !ValidName(p.Name) {
		return fmt.Errorf("node name %q: write 1 to 63 letters, digits, dots, hyphens or underscores, first and last a letter or digit", p.Name)
	}
	if !kindPattern.MatchString(p.Kind) {
		return fmt.Errorf("node kind %q: write 1 to 16 lower-case letters", p.Kind)
	}
	return nil
}

func (p Peer) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: p.Kind, Path: "/" + p.Name}
}

// peerOf reads who a verified certificate speaks for.
func peerOf(leaf *x509.Certificate) (Peer, error) {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != scheme {
		return Peer{}, errors.New("read peer's certificate: it does not name a node")
	}
	u := leaf.URIs[0]
	p := Peer{Name: strings.TrimPrefix(u.Path, "/"), Kind: u.Host}
	if err := p.Validate(); err != nil {
		return Peer{}, fmt.Errorf("read peer's certificate: %w", err)
	}
	return p, nil
}
