package oracleexporter

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/omflow/booster/internal/database"
)

// configuration has the fields that the exporter's collector/config.go declares in
// 2.0.4; later versions have more. It reads them strictly.
type configuration struct {
	ListenAddress string `yaml:"listenAddress"`
	MetricsPath   string `yaml:"metricsPath"`
	Databases     map[string]struct {
		Username           string
		Password           string
		PasswordFile       string            `yaml:"passwordFile"`
		URL                string            `yaml:"url"`
		Labels             map[string]string `yaml:"labels,omitempty"`
		Role               string
		TNSAdmin           string `yaml:"tnsAdmin"`
		ExternalAuth       bool   `yaml:"externalAuth"`
		MaxOpenConns       *int   `yaml:"maxOpenConns"`
		MaxIdleConns       *int   `yaml:"maxIdleConns"`
		PoolIncrement      *int   `yaml:"poolIncrement"`
		PoolMaxConnections *int   `yaml:"poolMaxConnections"`
		PoolMinConnections *int   `yaml:"poolMinConnections"`
		QueryTimeout       *int   `yaml:"queryTimeout"`
	} `yaml:"databases"`
	Metrics struct {
		Default        string
		Custom         []string
		ScrapeInterval *time.Duration `yaml:"scrapeInterval"`
	} `yaml:"metrics"`
	Log struct {
		Disable     *int           `yaml:"disable"`
		Interval    *time.Duration `yaml:"interval"`
		Destination string         `yaml:"destination"`
	} `yaml:"log"`
	Web struct {
		ListenAddresses *[]string `yaml:"listenAddresses"`
		SystemdSocket   *bool     `yaml:"systemdSocket"`
		ConfigFile      *string   `yaml:"configFile"`
	} `yaml:"web"`
}

// load reads a file as the exporter does.
func load(t *testing.T, file []byte, env map[string]string) configuration {
	t.Helper()
	expanded := os.Expand(string(file), func(name string) string {
		if name == "$" {
			return "$"
		}
		if _, ok := env[name]; !ok {
			t.Errorf("the file names the variable %q", name)
		}
		return env[name]
	})
	dec := yaml.NewDecoder(strings.NewReader(expanded))
	dec.KnownFields(true)
	var c configuration
	if err := dec.Decode(&c); err != nil {
		t.Fatalf("%v, in\n%s", err, expanded)
	}
	return c
}

func target(t *testing.T, url string) database.Target {
	t.Helper()
	target, err := database.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestFile(t *testing.T) {
	for _, tt := range []struct {
		name, url   string
		file        File
		user, addr  string
		tns, listen string
	}{
		{"service", "oracle://omflow:secret@db.example/ORCLPDB1", File{}, "omflow", "db.example:1521/ORCLPDB1", "", "127.0.0.1:9161"},
		{"another account", "oracle://omflow:secret@db/s", File{User: "C##MON$1", Listen: ":9200"}, "C##MON$1", "db:1521/s", "", ":9200"},
		{"IPv6", "oracle://omflow:secret@[fd00::5]:1522/s", File{}, "omflow", "[fd00::5]:1522/s", "", "127.0.0.1:9161"},
		{"SID", "oracle://omflow:secret@db/?sid=ORCL", File{}, "omflow",
			"(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db)(PORT=1521))(CONNECT_DATA=(SID=ORCL)))", "", "127.0.0.1:9161"},
		{"SID, TLS", "oracle://omflow:secret@db:2484/?sid=ORCL&ssl=true&ssl_verify=false", File{}, "omflow",
			"(DESCRIPTION=(ADDRESS=(PROTOCOL=TCPS)(HOST=db)(PORT=2484))(CONNECT_DATA=(SID=ORCL))(SECURITY=(SSL_SERVER_DN_MATCH=NO)))", "", "127.0.0.1:9161"},
		{"wallet", "oracle://omflow:secret@db:2484/s?ssl=true&wallet=/etc/$wallet", File{}, "omflow", "tcps://db:2484/s", "/etc/$wallet", "127.0.0.1:9161"},
		{"TLS, any name", "oracle://omflow:secret@db:2484/s?ssl=true&ssl_verify=false", File{}, "omflow",
			"tcps://db:2484/s?ssl_server_dn_match=off", "", "127.0.0.1:9161"},
		{"go-ora", "oracle://omflow:secret@db/s", File{GoOra: true}, "omflow", "db:1521/s", "", "127.0.0.1:9161"},
		{"go-ora, all", "oracle://omflow:secret@db:2484/?sid=X&ssl=true&ssl_verify=false&wallet=/w", File{GoOra: true}, "omflow",
			"db:2484/?SID=X&ssl=true&ssl+verify=false&wallet=%2Fw", "", "127.0.0.1:9161"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.file.Target = target(t, tt.url)
			b, err := tt.file.Render()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte("secret")) {
				t.Errorf("the password is in the file:\n%s", b)
			}
			c := load(t, b, map[string]string{PasswordVariable: "from the environment"})
			db := c.Databases[DatabaseName]
			if len(c.Databases) != 1 || db.Username != tt.user || db.URL != tt.addr || db.TNSAdmin != tt.tns || db.Password != "from the environment" {
				t.Errorf("%+v", c.Databases)
			}
			if l := *c.Web.ListenAddresses; len(l) != 1 || l[0] != tt.listen {
				t.Errorf("listens on %v", l)
			}
			if *c.Metrics.ScrapeInterval != 15*time.Second || *c.Log.Disable != 1 || *db.MaxOpenConns != *db.MaxIdleConns {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestPasswords: the exporter puts the password into the text of the file before it
// reads that, so the place must bear any.
func TestPasswords(t *testing.T) {
	b, err := File{Target: target(t, "oracle://omflow@db/s")}.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{
		"plain", "123456", "true", "~", "a: b", "#1", " leads", "trails ", `q"uo'te\n`, "- x", "{x}", "%&*!|>@`", "$HOME$$", "${X}", "密碼", "? y", "a #b",
	} {
		c := load(t, b, map[string]string{PasswordVariable: password})
		if got := c.Databases[DatabaseName].Password; got != password {
			t.Errorf("password %q becomes %q", password, got)
		}
		if len(c.Databases) != 1 {
			t.Errorf("password %q: %+v", password, c.Databases)
		}
	}
}

func TestFileRefuses(t *testing.T) {
	oracle := target(t, "oracle://omflow@db/s")
	odd := oracle
	odd.Name = "s)(HOST=elsewhere"
	for _, tt := range []struct {
		file File
		want string
	}{
		{File{Target: target(t, "postgres://omflow@db/s")}, "for Oracle alone"},
		{File{Target: odd}, "no such characters"},
		{File{Target: oracle, User: "a\nb"}, "control characters"},
		{File{Target: oracle, Listen: "9161"}, "write it as host:port"},
		{File{Target: oracle, Listen: "127.0.0.1:http"}, "number from 1 to 65535"},
		{File{}, "engine"},
	} {
		if b, err := tt.file.Render(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %s, %v, want %q", tt.file, b, err, tt.want)
		}
	}
}

func TestPageURL(t *testing.T) {
	for listen, want := range map[string]string{
		"": "http://127.0.0.1:9161/metrics", ":9200": "http://127.0.0.1:9200/metrics", "0.0.0.0:9161": "http://127.0.0.1:9161/metrics",
		"[::]:9161": "http://127.0.0.1:9161/metrics", "db:9161": "http://db:9161/metrics", "[fd00::5]:9161": "http://[fd00::5]:9161/metrics",
	} {
		f := File{Target: target(t, "oracle://omflow@db/s"), Listen: listen}
		if got := f.PageURL(); got != want {
			t.Errorf("%q: %s, want %s", listen, got, want)
		}
		if err := CheckURL(f.PageURL()); err != nil {
			t.Errorf("%s: %v", f.PageURL(), err)
		}
	}
}
