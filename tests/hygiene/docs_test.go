package hygiene

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/omflow/booster"
)

const root = "../.."

// documents returns the text of each document by its path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	texts := make(map[string]string)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.ToSlash(name)] = string(text)
	}
	if len(texts["README.md"]) == 0 {
		t.Fatal("README.md was not found")
	}
	return texts
}

var fence = regexp.MustCompile("(?ms)^( *)```([a-z]+)\n(.*?)^ *```$")

// blocks returns the code of a document in one language.
func blocks(text, language string) []string {
	var out []string
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[2] != language {
			continue
		}
		var code strings.Builder
		for line := range strings.Lines(m[3]) {
			code.WriteString(strings.TrimPrefix(line, m[1]))
		}
		out = append(out, code.String())
	}
	return out
}

func TestCaddyfilesAreAccepted(t *testing.T) {
	n := 0
	for name, text := range documents(t) {
		for _, block := range blocks(text, "caddyfile") {
			n++
			if formatted := caddyfile.Format([]byte(block)); !bytes.Equal(formatted, []byte(block)) {
				t.Errorf("%s: `booster fmt` would write this Caddyfile differently:\n%s", name, formatted)
			}
			_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(block), map[string]any{"filename": "Caddyfile"})
			if err != nil {
				t.Errorf("%s: %v, in\n%s", name, err, block)
			}
			for _, w := range warnings {
				t.Errorf("%s: %s, in\n%s", name, w, block)
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d Caddyfiles were found", n)
	}
}

func TestBothReadmesShowTheSame(t *testing.T) {
	texts := documents(t)
	for _, language := range []string{"caddyfile", "sh"} {
		english, chinese := blocks(texts["README.md"], language), blocks(texts["README.zh-TW.md"], language)
		for i := range english { // what the comments say is in another language
			english[i] = withoutComments(english[i])
		}
		for i := range chinese {
			chinese[i] = withoutComments(chinese[i])
		}
		if !slices.Equal(english, chinese) {
			t.Errorf("the %s blocks differ:\n%q\n%q", language, english, chinese)
		}
	}
}

func withoutComments(code string) string {
	return regexp.MustCompile(`(?m) *#.*$`).ReplaceAllString(code, "")
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	texts := documents(t)
	for name, text := range texts {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(texts[to]), anchor) {
				t.Errorf("%s: %s: there is no such heading", name, m[1])
			}
		}
	}
}

// anchors returns the names that GitHub gives a document's headings.
func anchors(text string) []string {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		out = append(out, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return out
}

func TestMakeTargetsExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")
	n := 0
	for name, text := range documents(t) {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			n++
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
				t.Errorf("%s: the Makefile has no target %s", name, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no make command was found")
	}
}
