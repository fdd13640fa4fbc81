package quiet

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func record() (*Log, func() []string) {
	var buf bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&buf, nil))
	return New(func() *slog.Logger { return logger }), func() []string {
		lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
		buf.Reset()
		if lines[0] == "" {
			return nil
		}
		return lines
	}
}

func TestOncePerMinuteWithCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := record()
		event := func() { l.Event(slog.LevelWarn, "key|10.0.0.1", "refused", slog.String("from", "10.0.0.1")) }
		for range 100 {
			event()
		}
		if got := lines(); len(got) != 1 || strings.Contains(got[0], "count=") || !strings.Contains(got[0], "from=10.0.0.1") {
			t.Fatalf("first burst: %q", got)
		}
		time.Sleep(59 * time.Second)
		event()
		l.Flush()
		if got := lines(); got != nil {
			t.Fatalf("logged again within the minute: %q", got)
		}
		time.Sleep(time.Second)
		l.Flush()
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "count=100 ") || !strings.Contains(got[0], "within=1m0s") {
			t.Fatalf("after a minute: %q", got)
		}
		// The line of the count opens a new minute.
		event()
		time.Sleep(30 * time.Second)
		l.Flush()
		if got := lines(); got != nil {
			t.Fatalf("logged again within the second minute: %q", got)
		}
		// Without anybody calling Flush the next event writes what is due.
		time.Sleep(31 * time.Second)
		event()
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "count=2 ") {
			t.Fatalf("after the second minute: %q", got)
		}
		// Silence is forgotten: the next event is a first one.
		time.Sleep(time.Minute)
		l.Flush()
		lines()
		event()
		if got := lines(); len(got) != 1 || strings.Contains(got[0], "count=") {
			t.Fatalf("after a silence: %q", got)
		}
		event()
		l.Close()
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "count=1 ") {
			t.Fatalf("at the end: %q", got)
		}
	})
}

func TestManyKeysAreBounded(t *testing.T) {
	l, lines := record()
	for i := range 100 * maxKeys {
		l.Event(slog.LevelWarn, fmt.Sprint("host ", i), "refused")
	}
	if n := len(l.seen); n > maxKeys+1 {
		t.Errorf("%d keys are remembered", n)
	}
	if n := len(lines()); n > maxKeys+1 {
		t.Errorf("%d lines were logged", n)
	}
}

func TestLevel(t *testing.T) {
	l, lines := record()
	if l.Event(slog.LevelDebug, "k", "m") || lines() != nil || len(l.seen) != 0 {
		t.Error("an event below the logger's level was logged or remembered")
	}
}
