package settings

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/omflow/booster/internal/database"
)

// Settings is what a settings.py says. However it is printed, logged or
// marshalled, neither the secret key nor the database's password shows.
type Settings struct {
	// Python is the version of the Python that read it, as in 3.11.2.
	Python string
	// Django is the version of that Python's Django; empty if it has none, and
	// then it is not the Python that runs OMFLOW.
	Django string
	// Hashable says that collections.Hashable is there once settings.py was imported:
	// by itself in a Python before 3.10, later only if somebody has put it back.
	Hashable bool
	// SecretKey is SECRET_KEY as Django uses it: text is UTF-8.
	SecretKey []byte
	// Boosters are BOOSTER_IP and SECOND_BOOSTER_IP with their ports, as
	// host:port, the primary first; those that are empty are left out. A port
	// that is empty is 5169.
	Boosters []string
	// TimeZone is TIME_ZONE; Django's own default is America/Chicago.
	TimeZone string
	// UseTZ is USE_TZ. Django's default before 5.0, so OMFLOW's, is false.
	UseTZ bool
	// AllowedHosts is ALLOWED_HOSTS.
	AllowedHosts []string
	// Type is OMFLOW_TYPE: server or collector. Empty if it is not set.
	Type string
	// LocalIP and LocalPort are LOCAL_IP and LOCAL_PORT, which OMFLOW puts into
	// links in mails; empty if not set.
	LocalIP, LocalPort string

	database database.Django
}

// Database returns the database that OMFLOW uses. The error says what to write
// in DATABASES, SQLite is one.
func (s Settings) Database() (database.Target, error) { return database.FromDjango(s.database) }

// fingerprintLabel separates this use of the key from all others.
const fingerprintLabel = "omflow-booster SECRET_KEY fingerprint 1"

// Fingerprint returns 16 hex digits that are the same on two servers exactly if
// their secret keys are (but for a chance of one in 2^64), and do not reveal
// the key: they are a piece of an HMAC-SHA-256 under it. Who sees it can test
// guesses, which is of no use with a key as Django makes them. It is empty for
// an empty key.
func (s Settings) Fingerprint() string {
	if len(s.SecretKey) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, s.SecretKey)
	mac.Write([]byte(fingerprintLabel))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// Validate refuses values with which an OMFLOW Server starts, but cannot work
// beside others behind a front door. The error names all of them, a line each.
func (s Settings) Validate() error {
	var problems []error
	if len(s.SecretKey) == 0 {
		problems = append(problems, errors.New("SECRET_KEY is empty: write the same 50 random characters on all OMFLOW Servers"))
	}
	if len(s.AllowedHosts) == 0 {
		problems = append(problems, errors.New(`ALLOWED_HOSTS is empty: write ["*"], or the names by which users reach the Booster`))
	}
	if _, err := s.Database(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// NoBooster is the error of a settings.py in which an agent finds no Booster to join,
// and nil when there is one.
func (s Settings) NoBooster() error {
	if len(s.Boosters) > 0 {
		return nil
	}
	return fmt.Errorf("BOOSTER_IP is empty: write the primary Booster's address, as in BOOSTER_IP = '10.0.0.11' and BOOSTER_PORT = '%s', and the other's in SECOND_BOOSTER_IP and SECOND_BOOSTER_PORT", DefaultPort)
}

// String returns a line without secrets.
func (s Settings) String() string {
	target := "unusable"
	if t, err := s.Database(); err == nil {
		target = t.String()
	}
	return fmt.Sprintf("python %s, django %s, database %s, secret key %s, boosters [%s], time zone %s, use tz %t, allowed hosts [%s], type %s, local %s %s",
		s.Python, s.Django, target, s.Fingerprint(), strings.Join(s.Boosters, " "), s.TimeZone, s.UseTZ, strings.Join(s.AllowedHosts, " "), s.Type, s.LocalIP, s.LocalPort)
}

// GoString hides the secrets from the verb %#v.
func (s Settings) GoString() string { return "settings.Settings(" + s.String() + ")" }

// MarshalText hides the secrets from encoding/json and its like.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements [slog.LogValuer]. The key is told by its fingerprint.
func (s Settings) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("python", s.Python), slog.String("django", s.Django), slog.String("secret_key", s.Fingerprint()),
		slog.Any("boosters", s.Boosters), slog.String("time_zone", s.TimeZone), slog.Bool("use_tz", s.UseTZ), slog.String("type", s.Type),
	}
	if t, err := s.Database(); err == nil {
		attrs = append(attrs, slog.Any("database", t))
	}
	return slog.GroupValue(attrs...)
}
