package token

import (
	"encoding/base64"
	"strings"
)

// User is the name that a login signs in with, "" when it is not known: the login was
// adopted, or is no Basic one (RFC 7617).
func (b *Broker) User(l *Login) string {
	b.mu.Lock()
	authorization := l.authorization
	b.mu.Unlock()
	scheme, encoded, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return ""
	}
	name, _, found := strings.Cut(string(plain), ":")
	if !found {
		return ""
	}
	return name
}
