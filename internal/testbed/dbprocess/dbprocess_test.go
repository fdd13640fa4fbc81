package dbprocess

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server's data is there after each way to stop it, and its folder is not when it was
// removed.
func TestPostgresIsRestarted(t *testing.T) {
	if testing.Short() {
		t.Skip("real databases are not started in short mode")
	}
	s, err := Postgres(Config{})
	Need(t, "PostgreSQL 15", err)
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder is still there: %v", err)
		}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	if err := s.PostgresDo(t.Context(), "CREATE TABLE kept (n integer)"); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{Fast, Immediate, os.Kill} {
		s.Stop(signal)
		s.Stop(signal) // it is down
		if err := s.PostgresDo(t.Context(), "SELECT 1"); err == nil {
			t.Errorf("it answers after %v", signal)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatalf("after %v: %v", signal, err)
		}
		if err := s.PostgresDo(t.Context(), "INSERT INTO kept VALUES (1)"); err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
	}
	s.Stop(Fast)
	s.Options("-c", "no_such_setting=1")
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("a server that ends at once: %v", err)
	}
	if err := s.Start(t.Context()); err == nil || strings.Contains(err.Error(), "up already") {
		t.Errorf("once more: %v", err)
	}
}

func TestMariaDBIsRestarted(t *testing.T) {
	if testing.Short() {
		t.Skip("real databases are not started in short mode")
	}
	s, err := MariaDB(Config{})
	Need(t, "MariaDB", err)
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Stop(os.Kill)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{Port: -1}, {Port: 65536}} {
		if err := cfg.Validate(); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if _, err := MariaDB(Config{Trust: true}); err == nil || errors.Is(err, ErrMissing) {
		t.Errorf("MariaDB that trusts everyone: %v", err)
	}
}
