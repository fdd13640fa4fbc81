package supervise

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/testbed/observe"
)

// childEnv makes the test binary behave as the server that a test supervises.
// The race detector would keep it for a second after its end.
var childEnv = []string{"SUPERVISE_TEST_CHILD=1", "GORACE=atexit_sleep_ms=0"}

func TestMain(m *testing.M) {
	if os.Getenv("SUPERVISE_TEST_CHILD") != "" {
		child(os.Args[1:])
		return
	}
	goleak.VerifyTestMain(m)
}

func child(args []string) {
	term := make(chan os.Signal, 1)
	switch args[0] {
	case "serve": // ends when it is asked to
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("serving", strings.Join(args[1:], " "))
		<-term
		fmt.Println("bye")
	case "stubborn": // never ends by itself, nor does what it started
		signal.Ignore(syscall.SIGTERM)
		leaf := exec.Command(os.Args[0], "leaf")
		leaf.Stdout = os.Stdout
		check(leaf.Start())
		forever()
	case "orphaning": // ends and leaves a process behind
		leaf := exec.Command(os.Args[0], "leaf")
		out, err := leaf.StdoutPipe()
		check(err)
		check(leaf.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		check(err)
		fmt.Print(line)
		signal.Notify(term, syscall.SIGTERM)
		<-term
	case "wrapper": // ends at once when it is asked to, and what it started does not
		slow := exec.Command(os.Args[0], "slow")
		slow.Stdout = os.Stdout
		check(slow.Start())
		forever()
	case "team": // serves with a second process
		slow := exec.Command(os.Args[0], "slow")
		slow.Stdout = os.Stdout
		check(slow.Start())
		fmt.Println("serving")
		signal.Notify(term, syscall.SIGTERM)
		<-term
	case "slow": // still has something to do when it is asked to end
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("slow", os.Getpid())
		<-term
		fmt.Println("asked")
		time.Sleep(300 * time.Millisecond)
		fmt.Println("finished")
	case "leaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("leaf", os.Getpid())
		forever()
	case "fail":
		fmt.Fprintln(os.Stderr, "ImportError: no module named django")
		os.Exit(7)
	case "stdin":
		data, err := io.ReadAll(os.Stdin)
		info, _ := os.Stdin.Stat()
		fmt.Printf("stdin %d bytes, error %v, device %v\n", len(data), err, info.Mode()&os.ModeCharDevice != 0)
	case "env":
		fmt.Printf("env FIRST=%q SECOND=%q NOTIFY_SOCKET=%q\n", os.Getenv("FIRST"), os.Getenv("SECOND"), os.Getenv("NOTIFY_SOCKET"))
	case "long":
		fmt.Println(strings.Repeat("x", maxLine+1000))
		fmt.Println("after")
	case "agent": // an agent that supervises, until it is killed
		s, err := New(Config{Name: "s1", Command: args[2:], Env: childEnv, StateDir: args[1], Stamp: func() string { return "of the agent before" }})
		check(err)
		check(s.Start())
		forever()
	}
}

// forever is no empty select: the runtime would call that a deadlock.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// journal is a slog.Handler that keeps what it is given.
type journal struct {
	mu    sync.Mutex
	lines []string // level message key=value…
}

type journalHandler struct {
	j     *journal
	attrs []slog.Attr
}

func (j *journal) logger() *slog.Logger { return slog.New(&journalHandler{j: j}) }

func (h *journalHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *journalHandler) WithGroup(string) slog.Handler            { return h }
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.j, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	add := func(a slog.Attr) bool {
		line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.j.mu.Lock()
	defer h.j.mu.Unlock()
	h.j.lines = append(h.j.lines, line)
	return nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

func (j *journal) String() string { return strings.Join(j.all(), "\n") }

// find returns the first line that contains part.
func (j *journal) find(part string) string {
	for _, line := range j.all() {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// within is a context for an act that must not hang the tests.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), observe.Patience)
	t.Cleanup(cancel)
	return ctx
}
