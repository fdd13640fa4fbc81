package django

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// JSON encodes as Python's json.dumps does by default: a blank after each
// comma and colon, and nothing but ASCII. A parser does not care, but whoever
// looks for a message in the bytes has to.
func JSON(v any) ([]byte, error) {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	src := bytes.TrimSuffix(raw.Bytes(), []byte("\n"))
	out := make([]byte, 0, len(src)+len(src)/4)
	inString := false
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case inString && c == '\\':
			out = append(out, c, src[i+1])
			i += 2
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(src[i:])
			out = appendEscaped(out, r)
			i += n
		default:
			if c == '"' {
				inString = !inString
			}
			out = append(out, c)
			if !inString && (c == ',' || c == ':') {
				out = append(out, ' ')
			}
			i++
		}
	}
	return out, nil
}

func appendEscaped(out []byte, r rune) []byte {
	if r > 0xFFFF {
		r -= 0x10000
		return fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}
