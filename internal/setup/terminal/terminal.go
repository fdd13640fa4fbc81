package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"

	"github.com/omflow/booster/internal/setup"
)

// ErrGivenUp says that the person does not want to go on.
var ErrGivenUp = errors.New("given up: nothing was written")

// Asker asks at a terminal. Not for concurrent use.
type Asker struct {
	// In is the terminal's input, Out what is drawn on.
	In, Out *os.File
}

// Ask implements [setup.Asker].
func (a Asker) Ask(ctx context.Context, q setup.Question, suggestion string, check func(string) error) (string, error) {
	answer := suggestion
	var field huh.Field
	if q.Choices != nil {
		options := make([]huh.Option[string], len(q.Choices))
		for i, c := range q.Choices {
			options[i] = huh.NewOption(c.Value+": "+c.Meaning, c.Value)
		}
		field = huh.NewSelect[string]().Title(q.Title).Description(q.Help).Options(options...).Validate(check).Value(&answer)
	} else {
		input := huh.NewInput().Title(q.Title).Description(help(q.Help, suggestion)).Validate(check).Value(&answer)
		if q.Secret {
			input.EchoMode(huh.EchoModePassword)
		}
		field = input
	}
	if err := a.run(ctx, field); err != nil {
		return "", err
	}
	shown := answer
	if q.Secret {
		shown = "(not shown)"
	}
	_, err := fmt.Fprintf(a.Out, "%s: %s\n", q.Title, shown)
	return answer, err
}

// help is what stands under a question for a text, whose suggestion is typed already:
// what is typed now comes behind it.
func help(text, suggestion string) string {
	if suggestion == "" {
		return text
	}
	return strings.TrimPrefix(text+"; Ctrl-U takes the suggestion away", "; ")
}

// Confirm asks for yes or no; no is the suggestion.
func (a Asker) Confirm(ctx context.Context, title string) (bool, error) {
	yes := false
	if err := a.run(ctx, huh.NewConfirm().Title(title).Value(&yes)); err != nil {
		return false, err
	}
	_, err := fmt.Fprintf(a.Out, "%s %s\n", title, map[bool]string{true: "yes", false: "no"}[yes])
	return yes, err
}

func (a Asker) run(ctx context.Context, field huh.Field) error {
	// Bubble Tea closes its input without waiting for the goroutine that
	// reads it when a program ends by an interrupt, and waits when it quits.
	interrupted := false
	quit := tea.WithFilter(func(_ tea.Model, m tea.Msg) tea.Msg {
		if _, ok := m.(tea.InterruptMsg); ok {
			interrupted = true
			return tea.QuitMsg{}
		}
		return m
	})
	form := huh.NewForm(huh.NewGroup(field)).WithProgramOptions(quit).
		WithInput(a.In).WithOutput(io.Writer(a.Out)).WithShowHelp(false)
	switch err := form.RunWithContext(ctx); {
	case interrupted, errors.Is(err, huh.ErrUserAborted):
		return ErrGivenUp
	case err != nil:
		return fmt.Errorf("ask at the terminal: %w", err)
	}
	return nil
}
