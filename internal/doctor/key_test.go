package doctor

import (
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/trust"
)

func TestKey(t *testing.T) {
	key, other := trust.Generate(), trust.Generate()
	text := base64.StdEncoding.EncodeToString([]byte("this is a password of 32 letters"))
	twice := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x80\x01\xfe\x99", 8)))
	for name, tt := range map[string]struct {
		Key
		want verdict
	}{
		"one":      {Key{1, []string{key}, []string{":5169"}}, good("it is well")},
		"unpadded": {Key{1, []string{" " + strings.TrimRight(key, "=")}, nil}, good("it is well")},
		"two":      {Key{2, []string{key, other}, nil}, good("first of 2")},
		"none":     {Key{0, nil, []string{":5169", "10.0.0.1:5169"}}, ill("there is none, and :5169, 10.0.0.1:5169 can be reached", "keygen")},
		"loopback": {Key{0, nil, []string{"127.0.0.1:5169"}}, good("none is needed")},
		"empty":    {Key{1, nil, []string{"127.0.0.1:5169"}}, ill("written and empty", "into the file")},
		"garbage":  {Key{1, []string{"p4ssw0rd"}, nil}, ill("read cluster key 1 of 1", "keygen")},
		"twice":    {Key{2, []string{key, key}, nil}, ill("given twice")},
		"example":  {Key{2, []string{key, shown[0] + "="}, nil}, ill("an example's", "keygen")},
		"text":     {Key{1, []string{text}, nil}, ill("made by a person", "keygen")},
		"repeated": {Key{1, []string{twice}, nil}, ill("made by a person")},
	} {
		r := result(t, tt.Checks(), "cluster key")
		tt.want.hold(t, name, r)
		for _, secret := range tt.Secrets {
			if strings.Contains(r.Detail+r.Advice, secret) {
				t.Errorf("%s: the key shows: %s", name, r.Detail)
			}
		}
	}
}

// TestGenerated: what keygen makes is never taken for a person's.
func TestGenerated(t *testing.T) {
	for range 10_000 {
		if key := strings.TrimRight(trust.Generate(), "="); !random(key) {
			t.Fatalf("%s is taken for a person's", key)
		}
	}
}

// TestShownKeys: every key that stands in a file of this project is known as an example.
func TestShownKeys(t *testing.T) {
	const root = "../.."
	word := regexp.MustCompile(`[A-Za-z0-9+/]{43}=`)
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "dist"):
			return fs.SkipDir
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".caddyfiletest", ".example", ".service", ".sh":
		default:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, key := range word.FindAllString(string(text), -1) {
			if _, err := trust.Parse([]string{key}); err != nil {
				continue
			}
			found++
			if r := (Key{Written: 1, Secrets: []string{key}}).check(); r.State != Failed {
				t.Errorf("%s shows the key %s, which is taken for a secret one: %s", path, key, r.Detail)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < len(shown) {
		t.Errorf("only %d keys were found", found)
	}
}
