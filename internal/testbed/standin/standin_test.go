package standin

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestTokenLife(t *testing.T) {
	now := time.Now()
	tokens := newTokens()
	text := tokens.issue("admin", now)
	// Each use starts the five minutes again.
	for range 3 {
		now = now.Add(tokenLife - time.Second)
		if user, known, ok := tokens.check(text, now); user != "admin" || !known || !ok {
			t.Fatalf("token in use: %q %v %v", user, known, ok)
		}
	}
	now = now.Add(tokenLife)
	if _, known, ok := tokens.check(text, now); !known || ok {
		t.Errorf("expired token: known %v, ok %v", known, ok)
	}
	if again := tokens.issue("admin", now); again == text {
		t.Error("an expired token was issued again")
	}
	if _, known, _ := tokens.check(text, now); known {
		t.Error("the replaced token is still known")
	}
}

func TestToLoginKeepsThePath(t *testing.T) {
	for path, want := range map[string]string{
		"/":                         "/accounts/login/?next=/",
		"/my-mission/page/mission/": "/accounts/login/?next=/my-mission/page/mission/",
		"/a%20b/?x=1&y=2":           "/accounts/login/?next=/a%2520b/%3Fx%3D1%26y%3D2",
	} {
		a := toLogin(httptest.NewRequest("GET", path, nil))
		if a.code != http.StatusFound || a.headers[0][1] != want {
			t.Errorf("%s: %d %s, want %s", path, a.code, a.headers[0][1], want)
		}
	}
}

func TestFind(t *testing.T) {
	for path, arg := range map[string]string{
		"/": "", "/flowmanage/api/omdata/edit/mission/": "mission",
		"/api/history-files/download/a/b": "a/b", "/api/history-files/download/../x": "../x",
	} {
		if _, got, ok := find(path); !ok || got != arg {
			t.Errorf("%s: %q, %v", path, got, ok)
		}
	}
	for _, path := range []string{
		"", "/x/", "/flowmanage/api/omdata/edit/", "/flowmanage/api/omdata/edit//", "/flowmanage/api/omdata/edit/a/b/",
		"/flowmanage/api/omdata/edit/mission", "/api/history-files/download/",
	} {
		if _, _, ok := find(path); ok {
			t.Errorf("%s was found", path)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{
		Name: "s", Listen: "127.0.0.1:0", Home: "h", Database: "127.0.0.1:1", SecretKey: "k",
		Logger: slog.New(slog.DiscardHandler),
	}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Config){
		"name": func(c *Config) { c.Name = "" }, "home": func(c *Config) { c.Home = "" },
		"listen": func(c *Config) { c.Listen = "x" }, "database": func(c *Config) { c.Database = "" },
		"key": func(c *Config) { c.SecretKey = "" }, "logger": func(c *Config) { c.Logger = nil },
		"threads": func(c *Config) { c.Threads = -1 }, "scale": func(c *Config) { c.TimeScale = -1 },
		"keep-alive": func(c *Config) { c.KeepAlive = -1 }, "linger": func(c *Config) { c.Linger = -1 },
	} {
		bad := good
		edit(&bad)
		if bad.Validate() == nil {
			t.Errorf("a bad %s was taken", name)
		}
	}
}
