package testbed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/ports"
)

// startProgram runs Main's insides and returns the address it printed and a way to
// end it, which returns the exit code.
func startProgram(t *testing.T, runMain string, args ...string) (address string, stop func() int) {
	t.Helper()
	signals := make(chan os.Signal, 2)
	code := make(chan int, 1)
	out, in := io.Pipe()
	go func() {
		code <- run(args, signals, func(string) string { return runMain }, in, io.Discard)
		in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v ended with code %d", args, <-code)
	}
	return strings.TrimSpace(line), func() int {
		signals <- syscall.SIGTERM
		return <-code
	}
}

func TestMainRunsDatabaseAndServer(t *testing.T) {
	dir := t.TempDir()
	postgres := freeAddress(t)
	db, stopDB := startProgram(t, "", "database", "--listen", "127.0.0.1:0", "--file", dir+"/db.json",
		"--postgres", postgres, "--postgres-password", "secret")
	url, stop := startProgram(t, "true", "--listen", "127.0.0.1:0", "--home", dir+"/home", "--database", db,
		"--time-scale", "0", "--linger", "0s", "--instruments", "--postgres", postgres, "--postgres-password", "secret")
	_, port, _ := net.SplitHostPort(postgres)
	settings, err := os.ReadFile(dir + "/home/omflow/settings.py")
	for _, want := range []string{"'PORT': \"" + port + "\"", "'PASSWORD': \"secret\"", "SECRET_KEY = \"stand-in\""} {
		if err != nil || !strings.Contains(string(settings), want) {
			t.Errorf("settings.py lacks %s: %v\n%s", want, err, settings)
		}
	}
	if c, err := net.Dial("tcp", postgres); err != nil {
		t.Errorf("the address for clients of PostgreSQL: %v", err)
	} else {
		c.Close()
	}
	cl := clientOf(t, client.Config{URL: url, User: "admin", Password: "admin"})
	expect(t, must(t)(cl.Create(t.Context(), token(t, cl), "mission", "x")), 200, "Create")
	if a := must(t)(cl.Get(t.Context(), "/__testbed/stats")); a.Code != 200 {
		t.Errorf("instruments: HTTP %d", a.Code)
	}
	if code := stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
	if code := stopDB(); code != 0 {
		t.Errorf("the database ended with %d", code)
	}
	if b, err := os.ReadFile(dir + "/db.json"); err != nil || !bytes.Contains(b, []byte("mission")) {
		t.Errorf("the database's file has %d bytes, %v", len(b), err)
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func TestMainInstalls(t *testing.T) {
	home := t.TempDir() + "/home"
	args := []string{
		"install", "--listen", "127.0.0.1:0", "--home", home, "--database", "127.0.0.1:1",
		"--postgres", "[::1]:5432", "--secret-key", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP",
	}
	var out, stderr bytes.Buffer
	if code := run(args, nil, func(string) string { return "" }, &out, &stderr); code != 0 || out.Len() > 0 {
		t.Fatalf("code %d, %q, %q", code, out.String(), stderr.String())
	}
	if got := target(t, home).String(); got != "postgres://omflow@[::1]:5432/omflow" {
		t.Errorf("settings.py names the database %s", got)
	}
	if _, err := os.Stat(home + "/omformmodel/models.py"); err != nil {
		t.Errorf("the rest of the home folder: %v", err)
	}
	args[4] = "/dev/null/home"
	if code := run(args, nil, func(string) string { return "" }, &out, &stderr); code != 1 {
		t.Errorf("an impossible home folder: code %d", code)
	}
}

func TestMainRefuses(t *testing.T) {
	home := t.TempDir()
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"--listen x", 2, "home"},
		{"--nonsense", 2, "nonsense"},
		{"--listen 127.0.0.1:0 --database 127.0.0.1:1 --home " + home + " more", 2, `"more"`},
		{"database --listen 0.0.0.0:1", 2, "loopback"},
		{"database --listen 127.0.0.1:0 --postgres 0.0.0.0:1", 2, "loopback"},
		{"database --listen 127.0.0.1:0 --postgres-password x", 2, "address"},
		{"--listen 127.0.0.1:0 --database 127.0.0.1:1 --postgres x --home " + home, 2, "PostgreSQL"},
		{"--listen 127.0.0.1:0 --database 127.0.0.1:1 --home " + home, 1, "Connection refused"},
		{"--help", 0, "--database"},
	} {
		var stderr bytes.Buffer
		code := run(strings.Fields(tt.args), nil, func(string) string { return "" }, io.Discard, &stderr)
		if code != tt.code || !strings.Contains(stderr.String(), tt.says) {
			t.Errorf("%s: code %d, want %d; %q lacks %q", tt.args, code, tt.code, stderr.String(), tt.says)
		}
	}
}
