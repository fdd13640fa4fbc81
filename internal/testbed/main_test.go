package testbed

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/omflow/booster/internal/testbed/client"
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
	db, stopDB := startProgram(t, "", "database", "--listen", "127.0.0.1:0", "--file", dir+"/db.json")
	url, stop := startProgram(t, "true", "--listen", "127.0.0.1:0", "--home", dir+"/home", "--database", db,
		"--time-scale", "0", "--linger", "0s", "--instruments")
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
