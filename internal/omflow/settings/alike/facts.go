package alike

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/trust"
)

const (
	// MaxClock is by how much a server's clock may differ from a booster's: at more,
	// tickets' times and a schedule's turn differ from server to server, to the eye of a
	// user.
	MaxClock = 5 * time.Second

	// maxEncoded bounds facts as text, in bytes: what one of the cluster's marks holds.
	maxEncoded = 512
	// maxZone bounds a time zone's name, and maxWrong what is told of mistakes, in
	// bytes. Escaped as JSON, all fields fit into maxEncoded, see Encode.
	maxZone  = 64
	maxWrong = 240
	maxLabel = 32

	// labelUse separates the labels of secret keys from those of other secrets.
	labelUse = "SECRET_KEY of settings.py"

	keyPrefix = "settings/"
)

// Facts are what is told of one server.
type Facts struct {
	// SecretKey is the label of SECRET_KEY, see Label; empty when there is no key.
	SecretKey string `json:"key,omitempty"`
	// TimeZone is TIME_ZONE; empty when settings.py could not be read.
	TimeZone string `json:"zone,omitempty"`
	// Clock is by how many seconds the server's clock is ahead of a booster's, negative
	// if it is behind. 0 when that is no more than MaxClock, or not known.
	Clock int `json:"clock,omitempty"`
	// Wrong says what is wrong with settings.py by itself. At most 240 bytes.
	Wrong string `json:"wrong,omitempty"`
}

// Key is where a server's facts are found among the cluster's marks.
func Key(server string) string { return keyPrefix + server }

// Of makes the facts of what was read of settings.py, with the error that came with it.
func Of(read settings.Settings, err error, keys trust.Keys) Facts {
	f := Facts{SecretKey: Label(keys, read), TimeZone: read.TimeZone}
	if err == nil {
		err = read.Validate()
	}
	if err != nil {
		f.Wrong = err.Error()
	}
	f.TimeZone, f.Wrong = line(f.TimeZone, maxZone), line(f.Wrong, maxWrong)
	return f
}

// Label is what the facts say of a secret key, or "" when there is none.
func Label(keys trust.Keys, read settings.Settings) string {
	if len(read.SecretKey) == 0 {
		return ""
	}
	return keys.Label(labelUse, read.SecretKey)
}

// Off rounds a difference of clocks to what Facts.Clock holds. It stays what it was when
// that is no further off than it can be measured, 2 seconds, so that it is not told anew
// all the time.
func Off(ahead time.Duration, was int) int {
	switch {
	case ahead.Abs() <= MaxClock:
		return 0
	case was != 0 && (ahead-time.Duration(was)*time.Second).Abs() <= 2*time.Second:
		return was
	}
	return int(ahead.Round(time.Second) / time.Second)
}

// line makes one harmless line of a text, of at most limit bytes in UTF-8 and without
// what JSON would write longer than it is.
func line(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\n", "; "), "?")
	s = strings.Map(func(r rune) rune {
		switch {
		case !unicode.IsGraphic(r):
			return ' '
		case r == '"':
			return '\''
		case strings.ContainsRune(`\<>&`, r):
			return '?'
		}
		return r
	}, s)
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit-len("…")], "") + "…"
	}
	return s
}

// Encode returns the facts as text of at most 512 bytes. Facts that Of made always fit.
func (f Facts) Encode() (string, error) {
	if err := f.Validate(); err != nil {
		return "", fmt.Errorf("tell of settings.py: %w", err)
	}
	b, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("tell of settings.py: %w", err)
	}
	if len(b) > maxEncoded {
		return "", fmt.Errorf("tell of settings.py: %d bytes, more than %d", len(b), maxEncoded)
	}
	return string(b), nil
}

// Decode reads what Encode wrote on another node. Fields that it does not know are left
// to later versions.
func Decode(text string) (Facts, error) {
	if len(text) > maxEncoded {
		return Facts{}, fmt.Errorf("read what a node tells of settings.py: %d bytes, more than %d", len(text), maxEncoded)
	}
	var f Facts
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return Facts{}, fmt.Errorf("read what a node tells of settings.py: %w", err)
	}
	if err := f.Validate(); err != nil {
		return Facts{}, fmt.Errorf("read what a node tells of settings.py: %w", err)
	}
	return f, nil
}

// Validate refuses what Of does not make.
func (f Facts) Validate() error {
	for _, c := range []struct {
		text  string
		limit int
	}{{f.SecretKey, maxLabel}, {f.TimeZone, maxZone}, {f.Wrong, maxWrong}} {
		if len(c.text) > c.limit {
			return fmt.Errorf("a text of %d bytes, more than %d", len(c.text), c.limit)
		}
		if line(c.text, c.limit) != c.text {
			return errors.New("a text holds characters that are not shown")
		}
	}
	return nil
}

// Decoded reads the facts among a cluster's marks, by server: those of servers that are
// there, since marks outlive them. What can't be read, of a later version perhaps, is
// left out.
func Decoded(marks map[string]string, there func(server string) bool) map[string]Facts {
	all := make(map[string]Facts)
	for key, text := range marks {
		server, ok := strings.CutPrefix(key, keyPrefix)
		if !ok || !there(server) {
			continue
		}
		if f, err := Decode(text); err == nil {
			all[server] = f
		}
	}
	return all
}
