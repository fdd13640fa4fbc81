package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/trust"
)

// Answers to the question for the key that are no file.
const (
	keyNew   = "new"
	keyKeep  = "keep"
	keyEnter = "-"
)

// KeyQuestion is the question where the cluster key comes from. An answer that is
// none of its choices is the path of a file that holds the key.
func KeyQuestion() Question {
	return Question{
		Name: "key", Title: "The cluster key, which all nodes share", Choices: []Choice{
			{keyNew, "make a new one, for the first node"},
			{keyKeep, "keep the one in the key file"},
			{keyEnter, "enter the one of the other nodes"},
		},
	}
}

// putKey settles the key: made, kept, entered, or read from a file.
func (p *Plan) putKey(ctx context.Context, m Machine, left map[string]string, asker Asker) error {
	kept, keepErr := readKey(p.KeyFile())
	if errors.Is(keepErr, os.ErrNotExist) {
		keepErr = nil
	}
	if keepErr != nil {
		return fmt.Errorf("look at the key file that is there: %w", keepErr)
	}
	q := KeyQuestion()
	if kept == "" {
		q.Choices = slices.DeleteFunc(q.Choices, func(c Choice) bool { return c.Value == keyKeep })
	}
	if kept == "" && (p.Kind == Agent || p.Role == Secondary) {
		slices.Reverse(q.Choices) // a terminal begins with the first: to enter the others' key
	}
	source, isGiven := left[q.Name]
	if !isGiven {
		suggestion := ""
		switch {
		case kept != "":
			suggestion = keyKeep
		case p.Kind == Booster && p.Role != Secondary:
			suggestion = keyNew
		}
		var err error
		source, err = asker.Ask(ctx, q, suggestion, func(answer string) error {
			if answer == keyKeep && kept == "" {
				return fmt.Errorf("there is no key in %s", p.KeyFile())
			}
			return checkText(answer)
		})
		if err != nil {
			return err
		}
	}
	delete(left, q.Name)
	switch source {
	case keyNew:
		p.Key, p.NewKey = trust.Generate(), true
	case keyKeep:
		if kept == "" {
			return fmt.Errorf("--key keep: there is no key in %s", p.KeyFile())
		}
	case keyEnter:
		err := p.put(ctx, Question{
			Name: q.Name, Title: "The cluster key", Help: "as `booster omflow init` showed it on the first node; it is in the key file there", Secret: true,
			set: func(p *Plan, s string) (err error) { p.Key, err = parseKey(s); return err },
		}, m, nil, asker)
		if err != nil {
			return err
		}
	default:
		key, err := readKey(source)
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		p.Key = key
	}
	if p.Key == kept {
		p.Key = ""
	}
	return nil
}

// readKey reads a file that holds one key.
func readKey(path string) (string, error) {
	content, exists, err := read(path)
	if err == nil && !exists {
		err = fmt.Errorf("%s: %w", path, os.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	key, err := parseKey(string(content))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func parseKey(text string) (string, error) {
	key := strings.TrimSpace(text)
	if _, err := trust.Parse([]string{key}); err != nil {
		return "", err
	}
	return key, nil
}
