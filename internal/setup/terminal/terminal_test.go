package terminal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/setup"
)

// asker types keys at a form and keeps what is drawn in a file.
func asker(t *testing.T, keys string) (a Asker, drawn func() string) {
	t.Helper()
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "drawn"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); typed.Close(); out.Close() })
	if _, err := typed.WriteString(keys); err != nil {
		t.Fatal(err)
	}
	return Asker{In: in, Out: out}, func() string {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func anything(string) error { return nil }

func TestAsk(t *testing.T) {
	choices := setup.Question{Title: "Which?", Choices: []setup.Choice{{Value: "one", Meaning: "first"}, {Value: "two", Meaning: "second"}}}
	text := setup.Question{Title: "Name"}
	for name, tt := range map[string]struct {
		question         setup.Question
		suggestion, keys string
		want             string
	}{
		"as suggested":      {text, "host", "\r", "host"},
		"typed":             {text, "", "abc\r", "abc"},
		"not as suggested":  {text, "host", "\x15abc\r", "abc"},
		"first choice":      {choices, "", "\r", "one"},
		"suggested choice":  {choices, "two", "\r", "two"},
		"another choice":    {choices, "", "j\r", "two"},
		"nothing, optional": {setup.Question{Title: "Other", Optional: true}, "", "\r", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, drawn := asker(t, tt.keys)
			got, err := a.Ask(t.Context(), tt.question, tt.suggestion, anything)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if !strings.Contains(drawn(), tt.question.Title+": "+tt.want+"\n") {
				t.Errorf("the answer is not shown in %q", drawn())
			}
		})
	}
}

func TestHelpTellsOfCtrlU(t *testing.T) {
	for _, tt := range []struct{ text, suggestion, want string }{
		{"any name", "", "any name"},
		{"any name", "host", "any name; Ctrl-U takes the suggestion away"},
		{"", "host", "Ctrl-U takes the suggestion away"},
	} {
		if got := help(tt.text, tt.suggestion); got != tt.want {
			t.Errorf("%q, %q: %q, not %q", tt.text, tt.suggestion, got, tt.want)
		}
	}
}

func TestSecretIsNotDrawn(t *testing.T) {
	a, drawn := asker(t, "hunter2\r")
	got, err := a.Ask(t.Context(), setup.Question{Title: "Key", Secret: true}, "", anything)
	if err != nil || got != "hunter2" {
		t.Errorf("got %q, %v", got, err)
	}
	if strings.Contains(drawn(), "hunter2") || !strings.Contains(drawn(), "Key: (not shown)") {
		t.Errorf("drawn: %q", drawn())
	}
}

func TestConfirm(t *testing.T) {
	for keys, want := range map[string]bool{"\r": false, "y": true, "n": false} {
		a, _ := asker(t, keys)
		if got, err := a.Confirm(t.Context(), "Sure?"); err != nil || got != want {
			t.Errorf("%q: %t, %v", keys, got, err)
		}
	}
}

func TestGivenUp(t *testing.T) {
	a, _ := asker(t, "\x03")
	if _, err := a.Ask(t.Context(), setup.Question{Title: "Name"}, "x", anything); !errors.Is(err, ErrGivenUp) {
		t.Errorf("Ctrl-C: %v", err)
	}
}
