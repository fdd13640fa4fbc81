package caddyconf

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestCheckAddress(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.21:8000": "", "s1.internal:80": "", "[fd00::21]:8000": "", "localhost:65535": "", "[fe80::1%eth0]:80": "",
		"": "host:port", "10.0.0.21": "host:port", "fd00::21:8000": "host:port", "a:1:2": "host:port",
		":8000": "all of them", "0.0.0.0:80": "all of them", "[::]:80": "all of them", "[::ffff:0.0.0.0]:80": "all of them",
		"a:0": "1 to 65535", "a:65536": "1 to 65535", "a:-1": "1 to 65535", "a:http": "1 to 65535", "a:": "1 to 65535",
		"u@a:80": "nothing else", "a b:80": "nothing else", "http://a:80": "host:port", "a/b:80": "nothing else", `a\b:80`: "nothing else",
		"{env.S1}:80": "{$NAME}",
	} {
		err := CheckAddress(address)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}

// block is parsed by the functions of this package alone.
type block struct {
	word, address string
	wait          caddy.Duration
	number        int
	repeated      []string
}

func (b *block) parse(text string) error {
	d := caddyfile.NewTestDispenser(text)
	d.Next()
	known := []string{"word", "address", "wait", "number", "repeated"}
	return Options(d, "block", known, []string{"repeated"}, func(option string) error {
		switch option {
		case "word":
			return Word(d, &b.word)
		case "address":
			return Address(d, &b.address)
		case "wait":
			return Duration(d, &b.wait)
		case "number":
			return Number(d, &b.number, 10)
		default:
			b.repeated = append(b.repeated, d.RemainingArgs()...)
			return nil
		}
	})
}

func TestOptions(t *testing.T) {
	var b block
	err := b.parse("block {\nword \"two words\"\naddress a:1\nwait 1d\nnumber 10\nrepeated 1 2\nrepeated 3\n}")
	if err != nil {
		t.Fatal(err)
	}
	if b.word != "two words" || b.address != "a:1" || time.Duration(b.wait) != 24*time.Hour || b.number != 10 || len(b.repeated) != 3 {
		t.Errorf("read %+v", b)
	}
	for text, want := range map[string]string{
		"block {\nword\n}":             "word needs a value, at Testfile:2",
		"block {\nword \"\"\n}":        "word needs a value, at Testfile:2",
		"block {\nword a b\n}":         `word takes no more than that: remove "b", or quote a value with spaces, at Testfile:2`,
		"block {\n\nword a\nword b\n}": "word is given twice, at Testfile:4",
		"block {\naddress a\n}":        `address "a": write it as host:port, as in 10.0.0.21:8000, at Testfile:2`,
		"block {\nwait 0s\n}":          `wait "0s": write a duration such as 500ms, 2s or 1m, at Testfile:2`,
		"block {\nwait -1s\n}":         `wait "-1s": write a duration such as 500ms, 2s or 1m, at Testfile:2`,
		"block {\nwait 5\n}":           `wait "5": write a duration such as 500ms, 2s or 1m, at Testfile:2`,
		"block {\nnumber 0\n}":         `number "0": write a number from 1 to 10, at Testfile:2`,
		"block {\nnumber 11\n}":        `number "11": write a number from 1 to 10, at Testfile:2`,
		"block {\nnumber 1.5\n}":       `number "1.5": write a number from 1 to 10, at Testfile:2`,
		"block {\nwrd a\n}":            `unknown option "wrd" in block: write one of word, address, wait, number, repeated, at Testfile:2`,
	} {
		if err := new(block).parse(text); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
