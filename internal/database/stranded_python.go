package database

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting bounds how deep values may lie in others.
const maxNesting = 100

// pythonJSON writes a dictionary that is in Python's own notation, as str() writes it, as
// json.dumps does. It reports false for anything else, for one whose keys are no texts,
// and for numbers that JSON does not have.
func pythonJSON(text string) (string, bool) {
	p := pythonText{rest: text}
	if !strings.HasPrefix(text, "{") || len(text) > 4*maxDataParam || !p.value(0) || p.rest != "" {
		return "", false
	}
	return p.out.String(), true
}

// pythonText is what is left to be read, and what was written.
type pythonText struct {
	rest string
	out  strings.Builder
}

func (p *pythonText) take(text string) bool {
	rest, ok := strings.CutPrefix(p.rest, text)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *pythonText) value(depth int) bool {
	if depth > maxNesting || p.rest == "" {
		return false
	}
	switch p.rest[0] {
	case '{':
		return p.list(depth, "{", "}", func() bool {
			if !p.text() || !p.take(": ") {
				return false
			}
			p.out.WriteString(": ")
			return p.value(depth + 1)
		})
	case '[':
		return p.list(depth, "[", "]", func() bool { return p.value(depth + 1) })
	case '\'', '"':
		return p.text()
	}
	for name, word := range map[string]string{"None": "null", "True": "true", "False": "false"} {
		if p.take(name) {
			p.out.WriteString(word)
			return true
		}
	}
	n := strings.IndexFunc(p.rest, func(r rune) bool { return !strings.ContainsRune("+-.0123456789e", r) })
	if n < 0 {
		n = len(p.rest)
	}
	number := p.rest[:n]
	if n == 0 || !json.Valid([]byte(number)) {
		return false
	}
	p.out.WriteString(number)
	p.rest = p.rest[n:]
	return true
}

// list reads what stands between two brackets.
func (p *pythonText) list(depth int, open, end string, item func() bool) bool {
	p.take(open)
	p.out.WriteString(open)
	for n := 0; !p.take(end); n++ {
		if n > 0 {
			if !p.take(", ") {
				return false
			}
			p.out.WriteString(", ")
		}
		if !item() {
			return false
		}
	}
	p.out.WriteString(end)
	return true
}

// pythonEscapes are those that str() writes beside those for characters by number.
var pythonEscapes = map[byte]rune{'\\': '\\', '\'': '\'', '"': '"', 'n': '\n', 'r': '\r', 't': '\t'}

// pythonNumbered are those for characters by number, with how many digits they have.
var pythonNumbered = map[byte]int{'x': 2, 'u': 4, 'U': 8}

func (p *pythonText) text() bool {
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return false
	}
	quote := rune(p.rest[0])
	p.rest = p.rest[1:]
	p.out.WriteByte('"')
	for p.rest != "" {
		r, n := utf8.DecodeRuneInString(p.rest)
		p.rest = p.rest[n:]
		switch {
		case r == utf8.RuneError && n <= 1:
			return false
		case r == quote:
			p.out.WriteByte('"')
			return true
		case r == '\\':
			if r, n = pythonEscape(p.rest); n == 0 {
				return false
			}
			p.rest = p.rest[n:]
		}
		p.write(r)
	}
	return false
}

// pythonEscape reads what follows a backslash; n is 0 for none that Python writes.
func pythonEscape(text string) (r rune, n int) {
	if text == "" {
		return 0, 0
	}
	if r, ok := pythonEscapes[text[0]]; ok {
		return r, 1
	}
	digits := pythonNumbered[text[0]]
	if digits == 0 || len(text) <= digits {
		return 0, 0
	}
	code, err := strconv.ParseUint(text[1:1+digits], 16, 32)
	if err != nil || code > utf8.MaxRune {
		return 0, 0
	}
	return rune(code), 1 + digits
}

// write writes a character as json.dumps does.
func (p *pythonText) write(r rune) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}[r]
	switch high, low := utf16.EncodeRune(r); {
	case short != "":
		p.out.WriteString(short)
	case r >= ' ' && r < utf8.RuneSelf:
		p.out.WriteRune(r)
	case high != utf8.RuneError:
		fmt.Fprintf(&p.out, `\u%04x\u%04x`, high, low)
	default:
		fmt.Fprintf(&p.out, `\u%04x`, r)
	}
}
