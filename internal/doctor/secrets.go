package doctor

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// minSecret is the length in bytes from which on a secret is looked for. A shorter one
// would blot out words of ours, which would tell more than it hides.
const minSecret = 4

// mask stands in place of a secret.
const mask = "***"

// Secrets are texts that must not be shown. The zero value knows none, and so does a
// nil one. All methods may be called concurrently.
type Secrets struct {
	mu   sync.Mutex
	list []string
}

// Add has texts hidden from now on, also as they look in a URL.
func (s *Secrets) Add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text)} {
			if len(form) >= minSecret && !slices.Contains(s.list, form) {
				s.list = append(s.list, form)
			}
		}
	}
	// A secret may be a piece of another one.
	slices.SortStableFunc(s.list, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

func (s *Secrets) hide(text string) string {
	if s == nil {
		return text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.list {
		text = strings.ReplaceAll(text, secret, mask)
	}
	return text
}
