package settings

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestBoosters(t *testing.T) {
	for _, test := range []struct {
		values string
		want   []string
		err    string
	}{
		{`{}`, nil, ""},
		{`{"BOOSTER_IP": "", "BOOSTER_PORT": "", "SECOND_BOOSTER_IP": null}`, nil, ""},
		{`{"BOOSTER_IP": "10.0.0.1"}`, []string{"10.0.0.1:5169"}, ""},
		{`{"BOOSTER_IP": " b1.example ", "BOOSTER_PORT": 80, "SECOND_BOOSTER_IP": "fd00::1", "SECOND_BOOSTER_PORT": "81"}`, []string{"b1.example:80", "[fd00::1]:81"}, ""},
		{`{"BOOSTER_IP": "[fd00::1]"}`, []string{"[fd00::1]:5169"}, ""},
		{`{"BOOSTER_IP": "10.0.0.1:5169"}`, nil, "BOOSTER_IP is \"10.0.0.1:5169\": write an address or a name alone"},
		{`{"BOOSTER_IP": "a b"}`, nil, "write an address or a name alone"},
		{`{"BOOSTER_IP": "a", "BOOSTER_PORT": "0"}`, nil, "BOOSTER_PORT is \"0\""},
		{`{"BOOSTER_IP": "a", "BOOSTER_PORT": 70000}`, nil, "BOOSTER_PORT is \"70000\""},
		{`{"BOOSTER_IP": "a", "BOOSTER_PORT": 5169.5}`, nil, "BOOSTER_PORT is \"5169.5\""},
		{`{"BOOSTER_IP": true}`, nil, "BOOSTER_IP is of a wrong kind"},
		{`{"SECOND_BOOSTER_IP": "b"}`, nil, "SECOND_BOOSTER_IP is set and BOOSTER_IP is not"},
		{`{"BOOSTER_IP": "b", "SECOND_BOOSTER_IP": "b"}`, nil, "are both b:5169"},
	} {
		s, err := decode(fmt.Appendf(nil, `{"python": "3.8.0", "values": %s}`, test.values))
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.values, err, test.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(s.Boosters, test.want) {
			t.Errorf("%s: %v, %v, want %v", test.values, s.Boosters, err, test.want)
		}
	}
}

func TestTooOld(t *testing.T) {
	for version, want := range map[string]bool{
		"3.7.7": false, "3.7.10": false, "3.8.0": false, "3.10.1": false, "4.0.0": false, "3.7.6": true, "3.6.15": true, "2.7.18": true, "": true, "x": true, "3.": true,
	} {
		if got := tooOld(version); got != want {
			t.Errorf("%q: %t", version, got)
		}
	}
}

func TestDatabaseValues(t *testing.T) {
	for _, test := range []struct{ database, want, err string }{
		{`{"ENGINE": "django.db.backends.mysql", "NAME": "n", "USER": "u", "PASSWORD": " p ", "HOST": "h", "PORT": 3307, "OPTIONS": {"ssl_mode": "REQUIRED"}}`,
			"mysql://u:***@h:3307/n?tls=skip-verify", ""},
		{`null`, "", "ENGINE is empty"},
		{`{"ENGINE": "django.db.backends.sqlite3", "NAME": "db.omflow"}`, "", "SQLite cannot be shared"},
		{`{"ENGINE": "mssql", "NAME": "n", "USER": "u", "HOST": ["h"]}`, "", `DATABASES["default"]: HOST is of a wrong kind`},
		{`{"ENGINE": "mssql", "NAME": "n", "USER": "u", "PASSWORD": 7, "HOST": "h"}`, "", `DATABASES["default"]: PASSWORD is of a wrong kind: write 'PASSWORD': '…'`},
		{`{"ENGINE": "mssql", "NAME": "n", "USER": "u", "HOST": "h", "OPTIONS": []}`, "", `DATABASES["default"]: OPTIONS is of a wrong kind`},
	} {
		s, err := decode(fmt.Appendf(nil, `{"python": "3.8.0", "values": {"DATABASE": %s}}`, test.database))
		target, targetErr := s.Database()
		if err == nil {
			err = targetErr
		}
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want one with %q", test.database, err, test.err)
			}
		} else if err != nil || target.String() != test.want {
			t.Errorf("%s: %s, %v, want %s", test.database, target, err, test.want)
		}
	}
}

func TestValidate(t *testing.T) {
	s, err := decode([]byte(`{"python": "3.8.0", "values": {"SECRET_KEY": "", "ALLOWED_HOSTS": [], "DATABASE": {"ENGINE": "django.db.backends.sqlite3"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Validate()
	for _, want := range []string{"SECRET_KEY is empty", "ALLOWED_HOSTS is empty", "SQLite cannot be shared"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	print := func(key string) string { return Settings{SecretKey: []byte(key)}.Fingerprint() }
	if print("") != "" {
		t.Error("an empty key has a fingerprint")
	}
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(print("a")) || print("a") == print("b") {
		t.Errorf("fingerprints %s, %s", print("a"), print("b"))
	}
	// Pinned: servers of different versions compare theirs.
	if got, want := print("k3y-0123456789"), "76f410d32792209c"; got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

func TestConfigValidate(t *testing.T) {
	good := Config{File: "/opt/omflow/omflow/settings.py"}
	for name, change := range map[string]func(*Config){
		"no file":   func(c *Config) { c.File = "" },
		"no module": func(c *Config) { c.File = "/opt/omflow/settings" },
		"two dots":  func(c *Config) { c.File = "/opt/omflow/a.b.py" },
		"python":    func(c *Config) { c.Python = []string{""} },
		"timeout":   func(c *Config) { c.Timeout = -1 },
		"NUL":       func(c *Config) { c.File = "/opt/\x00/settings.py" },
		"env":       func(c *Config) { c.Env = []string{"s3cret"} },
		"env name":  func(c *Config) { c.Env = []string{"=s3cret"} },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"python": "3.11.2", "django": "3.2", "values": {"SECRET_KEY": "YQ==", "BOOSTER_IP": "a", "BOOSTER_PORT": 1, "DATABASE": {"ENGINE": "mysql", "OPTIONS": {}}}}`))
	f.Add([]byte(`{"python": "3.11.2", "failure": {"type": "SyntaxError", "place": "x"}}`))
	f.Add([]byte(`{"python": "2.7.1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		if len(s.Boosters) > 2 || tooOld(s.Python) {
			t.Fatalf("%s", s)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Fatal(err)
		}
		_ = s.Validate() // must not panic
	})
}
