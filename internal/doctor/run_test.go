package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOrder: checks run at once and come out in their order.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(name string, d time.Duration) Check {
			return Check{Name: name, Run: func(context.Context) Result { time.Sleep(d); return ok("after %s", d) }}
		}
		start := time.Now()
		var names []string
		for o := range Run(t.Context(), []Check{after("a", 3*time.Second), after("b", 0), after("c", 4*time.Second)}, nil) {
			names = append(names, o.Name)
			if o.Name == "b" && time.Since(start) != 3*time.Second || o.Name == "c" && o.Took != 4*time.Second {
				t.Errorf("%s came after %s, having taken %s", o.Name, time.Since(start), o.Took)
			}
		}
		if !slices.Equal(names, []string{"a", "b", "c"}) || time.Since(start) != 4*time.Second {
			t.Errorf("%q after %s", names, time.Since(start))
		}
	})
}

// TestTimeouts: a check that heeds its context says itself what it waited for, one that
// does not is left behind.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		heeds := func(ctx context.Context) Result { <-ctx.Done(); return failed("it is silent").advise("ask again") }
		start := time.Now()
		var got []Outcome
		for o := range Run(t.Context(), []Check{
			{Name: "heeds", Run: heeds},
			{Name: "takes its time", Timeout: 9 * time.Second, Run: heeds},
			{Name: "deaf", Run: func(context.Context) Result { <-end; return ok("late") }},
		}, nil) {
			got = append(got, o)
		}
		close(end)
		if time.Since(start) != 9*time.Second {
			t.Errorf("all took %s", time.Since(start))
		}
		for i, want := range []struct {
			verdict
			took time.Duration
		}{
			{ill("it is silent", "ask again"), 5 * time.Second}, {ill("it is silent"), 9 * time.Second}, {ill("no answer within 5s"), 6 * time.Second},
		} {
			want.hold(t, got[i].Name, got[i].Result)
			if got[i].Took != want.took {
				t.Errorf("%s took %s, not %s", got[i].Name, got[i].Took, want.took)
			}
		}
	})
}

// TestStop: who has seen enough ends the others.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := false
		for range Run(t.Context(), []Check{
			Known("first", ok("x")),
			{Name: "second", Run: func(ctx context.Context) Result { <-ctx.Done(); told = true; return ok("x") }},
		}, nil) {
			break
		}
		synctest.Wait()
		if !told {
			t.Error("the second check goes on")
		}
	})
}

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := Shared(func(context.Context) int { time.Sleep(time.Second); n++; return n })
		answers := make(chan int, 2)
		for range 2 {
			go func() { answers <- f(t.Context()) }()
		}
		if a, b := <-answers, <-answers; a != 1 || b != 1 {
			t.Errorf("answers %d and %d", a, b)
		}
	})
}

// TestTexts: what strangers say stays on its line, and secrets do not show.
func TestTexts(t *testing.T) {
	secrets := new(Secrets)
	secrets.Add("", "abc", "pass/word", "pass/word and more")
	for text, want := range map[string]string{
		"one\ntwo\r\n\nthree":   "one; two; three",
		"\x1b[2Jred \x00\u202e": " [2Jred   ",
		"\xff\xfe":              "?",
		"it is pass/word and more, pass/word, pass%2Fword, abc": "it is ***, ***, ***, abc",
		strings.Repeat("ü", 400):                                strings.Repeat("ü", 298) + "…",
	} {
		for o := range Run(t.Context(), []Check{Known("x", Result{State: Failed, Detail: text, Advice: text})}, secrets) {
			if o.Detail != want || o.Advice != want {
				t.Errorf("%q became %q and %q, not %q", text, o.Detail, o.Advice, want)
			}
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\nb\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > maxText || strings.ContainsAny(got, "\r\n\x1b\x00") || got != strings.ToValidUTF8(got, "") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// some are checks with all verdicts.
var some = []Check{
	Known("configuration", ok("it is valid")),
	Known("port 5169 tcp", failed(":5169 is taken").advise("stop it")),
	Known("peer büro udp", skipped("it is not reached")),
}

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the output is\n%s\nand %s has\n%s", got, name, want)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	well, err := Print(&out, some, Run(t.Context(), some, nil))
	if well || err != nil {
		t.Errorf("well %t, %v", well, err)
	}
	golden(t, "print.txt", out.Bytes())
	if well, err := Print(&out, some[:1], Run(t.Context(), some[:1], nil)); !well || err != nil {
		t.Errorf("well %t, %v, with nothing wrong", well, err)
	}
	if _, err := Print(broken{}, some, Run(t.Context(), some, nil)); err == nil {
		t.Error("an output that takes nothing is no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	node := Node{Name: "s1", Kind: "agent", Version: "v1.0.0"}
	well, err := WriteJSON(&out, node, func(yield func(Outcome) bool) {
		for _, c := range some {
			if !yield(Outcome{Name: c.Name, Result: c.Run(t.Context()), Took: 1500 * time.Microsecond}) {
				return
			}
		}
	})
	if well || err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("well %t, %v", well, err)
	}
	golden(t, "report.json", out.Bytes())
	out.Reset()
	if well, err := WriteJSON(&out, node, Run(t.Context(), nil, nil)); !well || err != nil || !strings.Contains(out.String(), `"ok":true,"checks":[]`) {
		t.Errorf("well %t, %v: %s", well, err, &out)
	}
}
