package release

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden makes the manifests whose encodings lie in testdata.
func golden(t testing.TB) map[string]*Manifest {
	first := mustNew(t, nil, "manage.py=one", "run.sh=echo+x", "中文/表單 & \u2028.py=two", "empty=")
	second, err := New(first, Draft{
		Kind: Deploy, Origin: "server-1", Time: epoch, Note: "deployed <b>mission</b> \"1\"",
		Files: files("manage.py=two", "new/file.txt=three"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Manifest{"first.json": first, "second.json": second}
}

// TestGolden holds the encoding still: another one would give releases other
// names, and nodes of two versions would not agree on any.
func TestGolden(t *testing.T) {
	for name, m := range golden(t) {
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, b, want)
		}
		back, err := Decode(want)
		if err != nil {
			t.Fatal(err)
		}
		m.changed = nil // that is not in the encoding
		if !reflect.DeepEqual(back, m) {
			t.Errorf("%s: %+v, want %+v", name, back, m)
		}
		if m.Hash() != sum(string(want)) {
			t.Errorf("%s: hash is not that of the encoding", name)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := golden(t)["first.json"].Encode()
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("no %q in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	hash := sum("two").String()
	tests := []struct{ name, text, want string }{
		{"nothing", "", "at byte 0: no"},
		{"no JSON", "hello", "at byte 0: no"},
		{"half", string(good[:len(good)/2]), "at byte"},
		{"newer format", with(`"format":1`, `"format":2`), "format 2"},
		{"more space", with(`,"number"`, ` ,"number"`), "no \",\\\"number"},
		{"no end of line", strings.TrimSuffix(string(good), "\n"), "no \"\\n]}"},
		{"something after it", string(good) + "{}", "something follows"},
		{"key is missing", with(`"number":1,`, ""), "no \",\\\"number"},
		{"unknown key", with(`"note"`, `"x":1,"note"`), "no \",\\\"note"},
		{"key in another case", with(`"note"`, `"Note"`), "no \",\\\"note"},
		{"exec false", with(`,"sha256"`, `,"exec":false,"sha256"`), "no \",\\\"sha256"},
		{"another escape", with(`manage.py`, `m\u0061nage.py`), "not spelled"},
		{"no escape", with(`\u0026`, `&`), "not spelled"},
		{"bad escape", with(`manage.py`, `m\xnage.py`), "a string"},
		{"escape at the end", string(good[:bytes.Index(good, []byte("\\u0026"))+1]), "no end"},
		{"not UTF-8", with(`manage.py`, "m\xffnage.py"), "UTF-8"},
		{"control character", with(`manage.py`, "m\nnage.py"), "control"},
		{"time zone", with(`12:00:00Z`, `20:00:00+08:00`), "not spelled"},
		{"more digits of time", with(`12:00:00Z`, `12:00:00.000Z`), "not spelled"},
		{"no time", with(`12:00:00Z`, `noon`), "parsing time"},
		{"upper-case hash", with(hash, strings.ToUpper(hash)), "upper-case"},
		{"short hash", with(hash, hash[1:]), "63 characters"},
		{"number with exponent", with(`"size":3`, `"size":3e0`), "sha256"},
		{"number with a zero before it", with(`"size":3`, `"size":03`), "not spelled"},
		{"number too large", with(`"number":1`, `"number":18446744073709551616`), "no number"},
		{"size that turns negative", with(`"size":3`, `"size":18446744073709551615`), "-1 bytes"},
		{"negative number", with(`"number":1`, `"number":-2`), "no number"},
		{"wrong element", with("\"files\":[\n", "\"files\":[0,\n"), "deleted"},
		{"path that leaves", with(`manage.py`, `../age.py`), "not a name"},
		{"unsorted", with(`manage.py`, `zanage.py`), "not sorted"},
	}
	for _, tt := range tests {
		m, err := Decode([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %q", tt.name, m, err, tt.want)
		}
	}
	if _, err := Decode(make([]byte, MaxManifest+1)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too long: %v", err)
	}
	if _, err := ReadManifest(&endless{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("without end: %v", err)
	}
}

// endless is a peer that never stops sending.
type endless struct{}

func (*endless) Read(b []byte) (int, error) { return len(b), nil }

// TestDecodeBounds: a list that is too long is not built.
func TestDecodeBounds(t *testing.T) {
	head, _, _ := strings.Cut(string(golden(t)["first.json"].append(nil)), "\n")
	element := fmt.Sprintf("\n{\"path\":\"a\",\"size\":0,\"sha256\":%q}", sum("x"))
	text := head + element + strings.Repeat(","+element, MaxFiles) + "\n],\"deleted\":[\n]}\n"
	if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), "more than 200000 elements") {
		t.Errorf("%v", err)
	}
}

// TestLargeManifest: a release with as many files as may be fits in what may be
// sent.
func TestLargeManifest(t *testing.T) {
	if testing.Short() {
		t.Skip("200,000 files")
	}
	d := Draft{Kind: Patch, Origin: "s", Time: epoch}
	for i := range MaxFiles {
		d.Files = append(d.Files, File{Path: fmt.Sprintf("omformflow/production/%03d/%06d.py", i/1000, i), Size: 1, SHA256: sum("x")})
	}
	m, err := New(nil, d)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(b); err != nil {
		t.Error(err)
	}
}

// FuzzDecode: what is taken is taken in one spelling only, and whole.
func FuzzDecode(f *testing.F) {
	for _, m := range golden(f) {
		b, err := m.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"format":1,"files":[0,0]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%q became %q", b, again)
		}
		if m.Hash() != sum(string(b)) {
			t.Fatal("hash is not that of what was decoded")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	d := Draft{Kind: Patch, Origin: "s", Time: epoch}
	for i := range 4500 {
		d.Files = append(d.Files, File{Path: fmt.Sprintf("omformflow/production/%03d/%06d.py", i/1000, i), Size: 1, SHA256: sum("x")})
	}
	m, err := New(nil, d)
	if err != nil {
		b.Fatal(err)
	}
	enc, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			m.Hash()
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := Decode(enc); err != nil {
				b.Fatal(err)
			}
		}
	})
}
