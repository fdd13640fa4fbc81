package setup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// hostName is what a name may look like; whether it exists is not looked at.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$`)

// hostPort reads host, host:port, an IPv6 address or [IPv6]:port, and returns
// host:port.
func hostPort(s, defaultPort string) (string, error) {
	s = strings.TrimSpace(s)
	host, port := s, defaultPort
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		host = ip.String()
	} else if h, p, err := net.SplitHostPort(s); err == nil {
		host, port = h, p
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && ip.IsUnspecified():
		return "", fmt.Errorf("%q stands for any address: write one that the other machines reach", s)
	case err != nil && !hostName.MatchString(host):
		return "", fmt.Errorf("%q: write an IP address or a name, and a port if it is not %s, as in 10.0.0.11:%[2]s", s, defaultPort)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	return net.JoinHostPort(host, port), nil
}

// hostPorts reads one or two addresses of boosters, with spaces or commas between.
func hostPorts(s string) ([]string, error) {
	words := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == ',' })
	if len(words) < 1 || len(words) > 2 {
		return nil, errors.New("write the primary booster's address, and after it the secondary's if there is one")
	}
	for i := range words {
		var err error
		if words[i], err = hostPort(words[i], ClusterPort); err != nil {
			return nil, err
		}
	}
	if len(words) == 2 && words[0] == words[1] {
		return nil, fmt.Errorf("%s is written twice", words[0])
	}
	return words, nil
}

// lowPort reports whether only a privileged process may bind the address.
func lowPort(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	n, err := strconv.Atoi(port)
	return err == nil && n < 1024
}

// siteNeedsTLS reports whether a site's address has Caddy serve HTTPS there:
// all do but those that say http:// or have only a port.
func siteNeedsTLS(site string) bool {
	return !strings.HasPrefix(site, "http://") && !strings.HasPrefix(site, ":") && !strings.HasSuffix(site, ":80")
}

// checkSite refuses what is no address of a site. The rest is Caddy's to judge.
func checkSite(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || !plain.MatchString(s) || strings.Contains(strings.TrimPrefix(strings.TrimPrefix(s, "http://"), "https://"), "/") {
		return "", fmt.Errorf("%q: write the name that users type, as in omflow.example.com, or http:// before it to serve without TLS, or :80 for any name", s)
	}
	return s, nil
}
