package setup

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// plain is what the Caddyfile takes as one word without quotes. A backslash is
// not among it: at the end of a line it would continue the line.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+*~^\[\]-]+$`)

// Word writes one word as a Caddyfile has it: in backticks, within which
// nothing is special, if it needs quotes, else in double quotes. The error says
// what no Caddyfile can hold.
func Word(s string) (string, error) {
	switch {
	case plain.MatchString(s) && !strings.HasPrefix(s, "<<"):
		return s, nil
	case s == "":
		return `""`, nil
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("%q holds a control character", s)
	case strings.Contains(s, "{$"):
		// Caddy puts variables in before it looks at quotes.
		return "", fmt.Errorf("%q holds {$, which a Caddyfile takes for a variable", s)
	case !strings.Contains(s, "`"):
		return "`" + s + "`", nil
	case !strings.Contains(s, `\`):
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`, nil
	}
	return "", fmt.Errorf("%q holds both a backtick and a backslash", s)
}

// JoinWords writes a command as a line of a Caddyfile.
func JoinWords(words []string) (string, error) {
	out := make([]string, len(words))
	for i, word := range words {
		var err error
		if out[i], err = Word(word); err != nil {
			return "", err
		}
	}
	return strings.Join(out, " "), nil
}

// SplitWords reads a command as it is written in a Caddyfile: words, in double
// quotes or backticks where they hold spaces. A backslash stands for itself,
// but before a double quote within such quotes.
func SplitWords(line string) ([]string, error) {
	var words []string
	for rest := []rune(strings.TrimSpace(line)); len(rest) > 0; rest = trimLeft(rest) {
		quote := rest[0]
		if quote != '"' && quote != '`' {
			end := 0
			for end < len(rest) && !unicode.IsSpace(rest[end]) {
				end++
			}
			words, rest = append(words, string(rest[:end])), rest[end:]
			continue
		}
		var word []rune
		i := 1
		for ; i < len(rest) && rest[i] != quote; i++ {
			if quote == '"' && rest[i] == '\\' && i+1 < len(rest) && rest[i+1] == '"' {
				i++
			}
			word = append(word, rest[i])
		}
		if i == len(rest) {
			return nil, errors.New("a quote is not closed")
		}
		words, rest = append(words, string(word)), rest[i+1:]
	}
	return words, nil
}

func trimLeft(s []rune) []rune {
	for len(s) > 0 && unicode.IsSpace(s[0]) {
		s = s[1:]
	}
	return s
}
