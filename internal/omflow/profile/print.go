package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// lineLength is how long a list of words may be to stay on one line, in characters.
const lineLength = 160

// JSON returns the profile as the file that Parse reads: whole, indented, with one rule
// a line.
func (p *Profile) JSON() []byte {
	var compact bytes.Buffer
	enc := json.NewEncoder(&compact)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		panic(fmt.Sprintf("write profile: %v", err)) // texts, numbers and switches can be written
	}
	return append(layOut(nil, bytes.TrimSpace(compact.Bytes()), ""), '\n')
}

// layOut appends a compact JSON value to dst. An object without objects or lists in it is
// one line, so is a list of words if it is short.
func layOut(dst, value []byte, indent string) []byte {
	var parts [][]byte // members with their keys, or elements
	nested := false
	open, end := value[0], value[len(value)-1]
	add := func(head, part []byte) {
		nested = nested || part[0] == '{' || part[0] == '['
		parts = append(parts, layOut(head, part, indent+"  "))
	}
	switch open {
	case '{':
		s := jsonscan.Scan(value)
		for s.Next() {
			add([]byte(`"`+string(s.Key)+`": `), s.Value)
		}
	case '[':
		var elements []json.RawMessage
		if err := json.Unmarshal(value, &elements); err != nil {
			panic(fmt.Sprintf("write profile: %v", err)) // it was just written
		}
		for _, e := range elements {
			add(nil, e)
		}
	default:
		return append(dst, value...)
	}
	line := bytes.Join(parts, []byte(", "))
	dst = append(dst, open)
	if !nested && (open == '{' || utf8.RuneCount(line) <= lineLength) {
		return append(append(dst, line...), end)
	}
	inner := "\n" + indent + "  "
	dst = append(dst, inner...)
	dst = append(dst, bytes.Join(parts, []byte(","+inner))...)
	dst = append(dst, strings.TrimSuffix(inner, "  ")...)
	return append(dst, end)
}
