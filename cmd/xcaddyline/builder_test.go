package main

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for _, tt := range []struct{ text, checkout, want, wantErr string }{
		{`{}`, "", "xcaddy build --output booster", ""},
		{`{"caddy_version":"v2.11.9","plugins":[{"module_path":"github.com/omflow/booster","version":"v1.0.0"}],"replacements":[]}`, "",
			"xcaddy build v2.11.9 --with github.com/omflow/booster@v1.0.0 --output booster", ""},
		{`{"caddy_version":"v2.11.9","plugins":[{"module_path":"github.com/omflow/booster","version":"v1.0.0"},{"module_path":"example.com/a"}]}`, ".",
			"xcaddy build v2.11.9 --with github.com/omflow/booster@v0.0.0=. --with example.com/a --output booster", ""},
		{`{"plugins":[{"module_path":"github.com/omflow/booster"}]}`, "/srv/o'hara's code",
			`xcaddy build --with 'github.com/omflow/booster@v0.0.0=/srv/o'\''hara'\''s code' --output booster`, ""},
		{`{"replacements":[{"old":"example.com/a v1.0.0","new":"example.com/b v1.1.0"},{"old":"example.com/c","new":"../c"}]}`, "",
			"xcaddy build --replace example.com/a@v1.0.0=example.com/b@v1.1.0 --replace example.com/c=../c --output booster", ""},
		{`{"plugins":[{"module_path":"example.com/a"}]}`, ".", "", "none of the plugins"},
		{`{"race_detector":true}`, "", "", `unknown field "race_detector"`},
		{`{"plugins":[{"version":"v1.0.0"}]}`, "", "", "no module_path"},
		{`{"replacements":[{"old":"example.com/a"}]}`, "", "", "old and new"},
		{`{} {}`, "", "", "something follows"},
		{`{}]`, "", "", "something follows"},
		{`[]`, "", "", "cannot unmarshal"},
	} {
		b, err := parse([]byte(tt.text))
		line := ""
		if err == nil {
			line, err = b.line(tt.checkout)
		}
		if line != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: %q, %v; want %q, %q", tt.text, line, err, tt.want, tt.wantErr)
		}
	}
}

func TestReadsTheRepositorysFile(t *testing.T) {
	line, err := read("../../xcaddy.json", "../..")
	if err != nil || !strings.HasSuffix(line, " --with github.com/omflow/booster@v0.0.0=../.. --output booster") {
		t.Errorf("%q, %v", line, err)
	}
}
