package engine

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// logLevelLine is where settings.py says how much is logged.
var logLevelLine = regexp.MustCompile(`(?m)^LOG_LEVEL = '(\w*)'$`)

// logLevels are Python's.
var logLevels = []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

// LDAP is the setting of that name, as OMFLOW stores it.
type LDAP struct {
	Server   string `json:"ldap_client_server"`
	Port     string `json:"ldap_client_server_port"`
	Base     string `json:"ldap_base_dn"`
	User     string `json:"ldap_bind_user"`
	Password string `json:"ldap_bind_user_password"`
	Domain   string `json:"ldap_client_domain"`
}

// System is the page of system settings.
type System struct {
	LogLevel string // of this process
	Personal string // the agreement on personal data
	Software string // the agreement on using the software
	LDAP     LDAP
}

// Names of settings in the database.
const (
	personalSetting = "PI_agree"
	softwareSetting = "SU_agree"
	ldapSetting     = "ldap_config"
)

// loadSettings reads what a start reads: the sidebar from the database and the log
// level from settings.py. A home folder whose settings.py has none logs errors.
func (e *Engine) loadSettings() error {
	sidebar, err := e.storedSidebar()
	if err != nil {
		return err
	}
	src, err := read(e.home, settingsFile)
	if err != nil {
		return err
	}
	level := "ERROR"
	if m := logLevelLine.FindStringSubmatch(src); m != nil {
		level = m[1]
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sidebar, e.logLevel = sidebar, level
	return nil
}

// System returns the settings: the log level is this process's own, the rest is
// the database's.
func (e *Engine) System() (System, error) {
	e.mu.Lock()
	s := System{LogLevel: e.logLevel}
	e.mu.Unlock()
	for name, into := range map[string]*string{personalSetting: &s.Personal, softwareSetting: &s.Software} {
		v, err := e.db.Setting(name)
		if err != nil {
			return s, fmt.Errorf("reading system settings: %w", err)
		}
		*into = v.Value
	}
	v, err := e.db.Setting(ldapSetting)
	if err != nil {
		return s, fmt.Errorf("reading system settings: %w", err)
	}
	if err := json.Unmarshal([]byte(v.Value), &s.LDAP); err != nil {
		return s, fmt.Errorf("parsing LDAP settings: %w", err)
	}
	return s, nil
}

// UpdateSystem changes the settings. A new log level goes into this process's
// memory and this server's settings.py, which no other server ever sees. After a
// change of the LDAP settings the process takes itself to be busy with it for ever
// and returns false to every later update, until it starts again.
func (e *Engine) UpdateSystem(s System) (bool, error) {
	e.mu.Lock()
	busy, level := e.ldapBusy, e.logLevel
	e.ldapBusy = true
	e.mu.Unlock()
	if busy {
		return false, nil
	}
	if s.LogLevel != "" && s.LogLevel != level {
		if !slices.Contains(logLevels, s.LogLevel) {
			return false, fmt.Errorf("unknown level: %q", s.LogLevel)
		}
		if err := e.setLogLevel(s.LogLevel); err != nil {
			return false, err
		}
	}
	for _, kv := range [][2]string{{personalSetting, s.Personal}, {softwareSetting, s.Software}} {
		if err := e.db.SaveSetting(kv[0], kv[1]); err != nil {
			return false, fmt.Errorf("saving system settings: %w", err)
		}
	}
	text, err := json.Marshal(s.LDAP)
	if err != nil {
		return false, fmt.Errorf("encoding LDAP settings: %w", err)
	}
	old, err := e.db.Setting(ldapSetting)
	if err != nil {
		return false, fmt.Errorf("reading system settings: %w", err)
	}
	if old.Value != string(text) {
		if err := e.db.SaveSetting(ldapSetting, string(text)); err != nil {
			return false, fmt.Errorf("saving system settings: %w", err)
		}
		return true, nil
	}
	e.mu.Lock()
	e.ldapBusy = false
	e.mu.Unlock()
	return true, nil
}

func (e *Engine) setLogLevel(level string) error {
	e.mu.Lock()
	e.logLevel = level
	e.mu.Unlock()
	src, err := read(e.home, settingsFile)
	if err != nil {
		return err
	}
	return write(e.home, settingsFile, logLevelLine.ReplaceAllString(src, "LOG_LEVEL = '"+level+"'"))
}
