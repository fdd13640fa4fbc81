package django

import (
	"crypto/rand"
	"strings"
)

// Django's CSRF token: a secret of 32 characters, sent masked as 64, so that the
// same secret looks different each time (django/middleware/csrf.py, version 3.2).
const (
	csrfLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	csrfSecret  = 32
)

// RandomLetters returns n random letters and digits, as Django makes session keys
// and tokens.
func RandomLetters(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand.Read ends the program instead
	for i := range b {
		b[i] = csrfLetters[int(b[i])%len(csrfLetters)]
	}
	return string(b)
}

// NewCSRFToken returns a masked token of a new secret.
func NewCSRFToken() string {
	return maskCSRF(RandomLetters(csrfSecret))
}

func maskCSRF(secret string) string {
	mask := RandomLetters(csrfSecret)
	b := []byte(mask)
	for i := range csrfSecret {
		at := strings.IndexByte(csrfLetters, secret[i]) + strings.IndexByte(csrfLetters, mask[i])
		b = append(b, csrfLetters[at%len(csrfLetters)])
	}
	return string(b)
}

// UnmaskCSRF returns the secret of a token; both forms are accepted, and false
// means that it is no token.
func UnmaskCSRF(token string) (string, bool) {
	if len(token) != csrfSecret && len(token) != 2*csrfSecret ||
		strings.Trim(token, csrfLetters) != "" {
		return "", false
	}
	if len(token) == csrfSecret {
		return token, true
	}
	b := make([]byte, csrfSecret)
	for i := range b {
		at := strings.IndexByte(csrfLetters, token[csrfSecret+i]) - strings.IndexByte(csrfLetters, token[i])
		b[i] = csrfLetters[(at+len(csrfLetters))%len(csrfLetters)]
	}
	return string(b), true
}
