package database

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPythonJSON compares with what str() of Python 3.11 writes and json.dumps makes of it.
func TestPythonJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                              `{}`,
		`{'a': 1, 'b': -1.5, 'c': 1e+22}`: `{"a": 1, "b": -1.5, "c": 1e+22}`,
		`{'a': None, 'b': [True, False, []], 'c': {'d': {}}}`:  `{"a": null, "b": [true, false, []], "c": {"d": {}}}`,
		`{'開': '暫停 😀'}`:                                        `{"\u958b": "\u66ab\u505c \ud83d\ude00"}`,
		`{'a': "it's", 'b': '"', 'c': 'it\'s "so"'}`:           `{"a": "it's", "b": "\"", "c": "it's \"so\""}`,
		`{'a': 'x\ny\r\t\\n', 'b': '\x00\x1f\x7f\xa0\u200b'}`:  `{"a": "x\ny\r\t\\n", "b": "\u0000\u001f\u007f\u00a0\u200b"}`,
		`{'a': '\x08\x0c', 'b': '\ud800', 'c': '\U000e0001'}`:  `{"a": "\b\f", "b": "\ud800", "c": "\udb40\udc01"}`,
		`{'flow_value': {'n': '1', 'x': "{'a': 1}"}, 'd': 17}`: `{"flow_value": {"n": "1", "x": "{'a': 1}"}, "d": 17}`,
	} {
		want = strings.ReplaceAll(want, `\u007f`, "\x7f") // as json.dumps leaves it
		if got, ok := pythonJSON(text); !ok || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, ok, want)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "a list": "[1]", "JSON": `{"a": null}`, "no end": `{'a': 1`, "more": `{'a': 1} `, "no comma": `{'a': 1 'b': 2}`,
		"a key that is no text": `{1: 2}`, "another number": `{'a': nan}`, "a set": `{'a'}`, "a tuple": `{'a': (1, 2)}`, "an object": `{'a': <x>}`,
		"an open text": `{'a': 'b`, "an unknown escape": `{'a': '\q'}`, "a short escape": `{'a': '\x1'}`, "no character": `{'a': '\UFFFFFFFF'}`,
		"not UTF-8": "{'a': '\xff'}", "a comma too many": `{'a': 1, }`, "two dots": `{'a': 1.2.3}`,
		"too deep": strings.Repeat("{'a': ", maxNesting+2) + "1" + strings.Repeat("}", maxNesting+2),
	} {
		if got, ok := pythonJSON(text); ok {
			t.Errorf("%s is taken: %s", name, got)
		}
	}
}

func FuzzPythonJSON(f *testing.F) {
	f.Add(`{'a': [None, True, -1.5], 'b': "it's", 'c': '\x00\u200b\U000e0001 開'}`)
	f.Add(strings.Repeat("{'a': [", 60))
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := pythonJSON(text)
		if !ok {
			return
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%q becomes %q", text, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > 0x7f }) {
			t.Errorf("%q becomes %q, which is not plain", text, got)
		}
	})
}
