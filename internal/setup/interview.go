package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Asker gets answers that were not given beforehand.
type Asker interface {
	// Ask returns the answer to a question. suggestion may be empty. check says why
	// an answer won't do; what Ask returns has passed it.
	Ask(ctx context.Context, q Question, suggestion string, check func(string) error) (string, error)
}

// Interview puts all questions that matter and returns the plan. given has
// answers by question's name; one that the other answers make meaningless is an
// error. The key comes last. It changes nothing. Not for concurrent use
// with the same asker.
func Interview(ctx context.Context, paths Paths, m Machine, given map[string]string, asker Asker) (Plan, error) {
	p := Plan{Paths: paths}
	m.named = strings.TrimSpace(given["home"])
	left := maps.Clone(given)
	for _, q := range Questions() {
		if q.asked != nil && !q.asked(p) {
			continue
		}
		if err := p.put(ctx, q, m, left, asker); err != nil {
			return Plan{}, err
		}
	}
	if err := p.putKey(ctx, m, left, asker); err != nil {
		return Plan{}, err
	}
	if len(left) > 0 {
		name := slices.Sorted(maps.Keys(left))[0]
		if name == "user" && p.Kind == Agent && p.Paths.Units == "" {
			return Plan{}, errors.New("--user is who the systemd unit runs as, and no unit is written: name a folder for it with --units, or leave --user out")
		}
		return Plan{}, fmt.Errorf("--%s does not matter for this %s: leave it out", name, p.what())
	}
	return p, p.Validate()
}

// what says what the node is to be, for people.
func (p Plan) what() string {
	if p.New {
		return "agent of a new OMFLOW Server (--installed " + installedNo + ")"
	}
	return string(p.Kind)
}

// put puts one question.
func (p *Plan) put(ctx context.Context, q Question, m Machine, left map[string]string, asker Asker) error {
	check := func(answer string) error {
		if answer == "" && !q.Optional {
			return errors.New("write something")
		}
		if q.Choices != nil && !slices.ContainsFunc(q.Choices, func(c Choice) bool { return c.Value == answer }) {
			return fmt.Errorf("%q: write %s", answer, q.Words())
		}
		before := *p
		err := q.set(p, answer)
		if err != nil {
			*p = before
		}
		return err
	}
	answer, isGiven := left[q.Name]
	if !isGiven {
		suggestion := ""
		if q.suggest != nil {
			suggestion = q.suggest(ctx, m, *p)
		}
		// A check may be made more than once, and set builds on what was there.
		before := *p
		trial := func(answer string) error {
			*p = before
			return check(answer)
		}
		var err error
		if answer, err = asker.Ask(ctx, q, suggestion, trial); err != nil {
			return err
		}
		*p = before
	}
	delete(left, q.Name)
	if err := check(answer); err != nil {
		return fmt.Errorf("--%s: %w", q.Name, err)
	}
	return nil
}

// Words lists the choices.
func (q Question) Words() string {
	values := make([]string, len(q.Choices))
	for i, c := range q.Choices {
		values[i] = c.Value
	}
	return strings.Join(values, " or ")
}

// Suggested takes each suggestion, for a run that nobody watches.
type Suggested struct {
	// In has, as its first line, the secret, if that is asked for: secrets have no
	// flag that could hold them.
	In *bufio.Reader
}

// Ask implements [Asker].
func (s Suggested) Ask(_ context.Context, q Question, suggestion string, check func(string) error) (string, error) {
	if q.Secret {
		line, err := s.In.ReadString('\n')
		if err != nil && line == "" {
			return "", fmt.Errorf("--%s: nothing came on standard input", q.Name)
		}
		if err := check(strings.TrimSpace(line)); err != nil {
			return "", fmt.Errorf("--%s: %w", q.Name, err)
		}
		return strings.TrimSpace(line), nil
	}
	if suggestion == "" && !q.Optional {
		return "", fmt.Errorf("--%s is missing: %s", q.Name, q.want())
	}
	if err := check(suggestion); err != nil {
		return "", fmt.Errorf("--%s is missing, and what this machine suggests won't do: %w", q.Name, err)
	}
	return suggestion, nil
}

// want says in a line what an answer is.
func (q Question) want() string {
	text := strings.ToLower(q.Title[:1]) + q.Title[1:]
	for _, c := range q.Choices {
		text += "\n  " + c.Value + ": " + c.Meaning
	}
	return text
}

// Lines reads one answer a line, for a standard input that is no terminal. An
// empty line takes the suggestion.
type Lines struct {
	// In has the answers.
	In *bufio.Reader
	// Out gets the questions.
	Out io.Writer
}

// Ask implements [Asker]. An answer that won't do is asked for again.
func (l Lines) Ask(ctx context.Context, q Question, suggestion string, check func(string) error) (string, error) {
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		var page strings.Builder
		page.WriteString(q.Title)
		if q.Help != "" {
			page.WriteString(" (" + q.Help + ")")
		}
		for _, c := range q.Choices {
			fmt.Fprintf(&page, "\n  %s: %s", c.Value, c.Meaning)
		}
		if suggestion != "" {
			fmt.Fprintf(&page, " [%s]", suggestion)
		}
		if _, err := io.WriteString(l.Out, page.String()+": \n"); err != nil {
			return "", fmt.Errorf("ask: %w", err)
		}
		line, err := l.In.ReadString('\n')
		if err != nil && line == "" {
			return "", fmt.Errorf("standard input has ended: give --%s, or --yes to take what is suggested", q.Name)
		}
		answer := strings.TrimSpace(line)
		if answer == "" {
			answer = suggestion
		}
		if err := check(answer); err != nil {
			fmt.Fprintf(l.Out, "%v\n", err)
			continue
		}
		return answer, nil
	}
}
