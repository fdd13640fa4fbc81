package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"

	"github.com/omflow/booster/internal/database"
)

// DefaultPort is where Boosters listen when settings.py names no port.
const DefaultPort = "5169"

// names are what is asked of settings.py beside DATABASES and SECRET_KEY.
var names = []string{
	"BOOSTER_IP", "BOOSTER_PORT", "SECOND_BOOSTER_IP", "SECOND_BOOSTER_PORT",
	"TIME_ZONE", "USE_TZ", "ALLOWED_HOSTS", "OMFLOW_TYPE", "LOCAL_IP", "LOCAL_PORT",
}

// answer is what read.py writes.
type answer struct {
	Python  string                     `json:"python"`
	Django  string                     `json:"django"`
	Failure *failure                   `json:"failure"`
	Values  map[string]json.RawMessage `json:"values"`
	// Hashable says that there is a collections.Hashable.
	Hashable bool `json:"hashable"`
}

// failure is an exception that ended settings.py.
type failure struct {
	Type string `json:"type"`
	Text string `json:"text"`
	// Place is file and line in the home folder, or empty.
	Place string `json:"place"`
	// Variable was not in os.environ; Module could not be imported.
	Variable string `json:"variable"`
	Module   string `json:"module"`
}

// Error says what to do about it.
func (f *failure) Error() string {
	place := ""
	if f.Place != "" {
		place = " (" + f.Place + ")"
	}
	switch {
	case f.Variable != "":
		return fmt.Sprintf("it needs the environment variable %s%s, which it does not get here: give it to the agent's server", f.Variable, place)
	case f.Module != "":
		return fmt.Sprintf("it imports %s%s, which this Python does not have: name the Python that runs OMFLOW", f.Module, place)
	case f.Type == "SyntaxError", f.Type == "IndentationError", f.Type == "TabError":
		return fmt.Sprintf("it is no Python%s: %s", place, f.Text)
	case f.Type == "SystemExit":
		return fmt.Sprintf("it ends Python by itself%s: take sys.exit out", place)
	}
	return fmt.Sprintf("it fails%s: %s: %s", place, f.Type, f.Text)
}

// decode reads what read.py wrote.
func decode(data []byte) (Settings, error) {
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return Settings{}, fmt.Errorf("python's answer is broken: %w", err)
	}
	if tooOld(a.Python) {
		return Settings{}, fmt.Errorf("version %q of Python is too old: OMFLOW needs 3.7.7 or newer", a.Python)
	}
	if a.Failure != nil {
		return Settings{}, a.Failure
	}
	v := values{raw: a.Values}
	s := Settings{
		Python:       a.Python,
		Django:       a.Django,
		Hashable:     a.Hashable,
		TimeZone:     v.text("TIME_ZONE", "America/Chicago"),
		UseTZ:        v.flag("USE_TZ"),
		AllowedHosts: v.list("ALLOWED_HOSTS"),
		Type:         v.text("OMFLOW_TYPE", ""),
		LocalIP:      v.text("LOCAL_IP", ""),
		LocalPort:    v.text("LOCAL_PORT", ""),
		Boosters:     v.boosters(),
		database:     v.database(),
	}
	v.into("SECRET_KEY", &s.SecretKey, "SECRET_KEY = '…'")
	return s, errors.Join(v.problems...)
}

// tooOld reports whether a version is below 3.7.7, the least that OMFLOW's
// manual asks for, or none at all.
func tooOld(version string) bool {
	least := [3]int{3, 7, 7}
	for i, part := range strings.SplitN(version, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil || n < least[i] {
			return true
		}
		if n > least[i] {
			return false
		}
	}
	return false
}

// values are settings by name, and what was found to be wrong with them.
type values struct {
	raw      map[string]json.RawMessage
	problems []error
}

func (v *values) wrong(name, write string) {
	v.problems = append(v.problems, fmt.Errorf("%s is of a wrong kind: write %s", name, write))
}

// into decodes a value, if there is one and it is not None.
func (v *values) into(name string, to any, write string) {
	raw := v.raw[name]
	if len(raw) == 0 || string(raw) == "null" {
		return
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		v.wrong(name, write)
	}
}

// text returns a value that is text or a number.
func (v *values) text(name, otherwise string) string {
	var value any
	v.into(name, &value, "")
	switch value := value.(type) {
	case nil:
		return otherwise
	case string:
		return strings.TrimSpace(value)
	case json.Number:
		return value.String()
	}
	v.wrong(name, name+" = '…'")
	return otherwise
}

func (v *values) flag(name string) (value bool) {
	v.into(name, &value, name+" = True or "+name+" = False")
	return value
}

func (v *values) list(name string) (value []string) {
	v.into(name, &value, name+` = ["…", "…"]`)
	return value
}

// boosters returns the addresses of the Boosters that are set.
func (v *values) boosters() (addresses []string) {
	for _, prefix := range []string{"", "SECOND_"} {
		hostName, portName := prefix+"BOOSTER_IP", prefix+"BOOSTER_PORT"
		host, port := v.text(hostName, ""), v.text(portName, "")
		if port == "" {
			port = DefaultPort
		}
		if host == "" {
			continue
		}
		if !isHost(host) {
			v.problems = append(v.problems, fmt.Errorf("%s is %q: write an address or a name alone, as in %s = '10.0.0.11'", hostName, host, hostName))
			continue
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			v.problems = append(v.problems, fmt.Errorf("%s is %q: write a number from 1 to 65535, as in %s = '%s'", portName, port, portName, DefaultPort))
			continue
		}
		address := net.JoinHostPort(strings.Trim(host, "[]"), port)
		switch {
		case prefix != "" && v.text("BOOSTER_IP", "") == "":
			v.problems = append(v.problems, errors.New("SECOND_BOOSTER_IP is set and BOOSTER_IP is not: write the primary Booster's address there"))
		case len(addresses) > 0 && addresses[0] == address:
			v.problems = append(v.problems, fmt.Errorf("BOOSTER_IP and SECOND_BOOSTER_IP are both %s: write the other Booster's address, or ''", address))
		default:
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// isHost reports whether s is an IP address or could be a name in DNS.
func isHost(s string) bool {
	if net.ParseIP(strings.Trim(s, "[]")) != nil {
		return true
	}
	return len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '.' && r != '_'
	})
}

// database returns DATABASES["default"].
func (v *values) database() database.Django {
	var all map[string]json.RawMessage
	v.into("DATABASE", &all, "DATABASES = {'default': {'ENGINE': …, 'NAME': …, 'USER': …, 'PASSWORD': …, 'HOST': …, 'PORT': …}}")
	d := values{raw: all}
	django := database.Django{
		Engine: d.text("ENGINE", ""), Name: d.exact("NAME"), User: d.exact("USER"), Password: d.exact("PASSWORD"),
		Host: d.text("HOST", ""), Port: d.text("PORT", ""),
	}
	d.into("OPTIONS", &django.Options, "'OPTIONS': {…}")
	for _, problem := range d.problems {
		v.problems = append(v.problems, fmt.Errorf("DATABASES[\"default\"]: %w", problem))
	}
	return django
}

// exact is text with the spaces around it.
func (v *values) exact(name string) (value string) {
	v.into(name, &value, "'"+name+"': '…'")
	return value
}
