package locale

import (
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	tests := []struct {
		cookie, header string
		want           Language
	}{
		{"", "", Traditional},
		{"", "zh-TW,zh;q=0.9,en-US;q=0.8", Traditional},
		{"", "zh-Hant-TW", Traditional},
		{"", "zh-CN,zh;q=0.9", Simplified},
		{"", "zh-Hans-HK", Simplified},
		{"", "en-GB,en;q=0.5", English},
		{"", "ja", Japanese},
		{"", "fr;q=1,ja;q=0.3,en;q=0.7", English},
		{"", "en;q=0,ja;q=0.1", Japanese},
		{"", "en;q=2", Traditional},
		{"", "en;q=NaN", Traditional},
		{"", "*", Traditional},
		{"ja", "en", Japanese},
		{"klingon", "en", English},
		{"", strings.Repeat("x", 2000) + ",en", Traditional},
	}
	for _, tt := range tests {
		if got := Choose(tt.cookie, tt.header); got != tt.want {
			t.Errorf("Choose(%q, %.40q) = %q, want %q", tt.cookie, tt.header, got, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	const id = "開單成功。"
	for l, want := range map[Language]string{
		Traditional: id,
		Simplified:  "开单成功。",
		English:     "Create data successfully.",
		Japanese:    "作成しました。",
		"nonsense":  id,
	} {
		if got := l.Text(id); got != want {
			t.Errorf("%s: %q, want %q", l, got, want)
		}
	}
	if got := English.Text("no such text"); got != "no such text" {
		t.Errorf("an unknown text became %q", got)
	}
}

func TestTranslationsAreComplete(t *testing.T) {
	for id, tr := range texts {
		if tr.en == "" || tr.ja == "" || tr.hans == "" {
			t.Errorf("%q lacks a translation", id)
		}
	}
}

func FuzzChoose(f *testing.F) {
	f.Add("ja", "en-GB;q=0.3, *;q=0.1,,;q=")
	f.Fuzz(func(t *testing.T, cookie, header string) {
		switch l := Choose(cookie, header); l {
		case Traditional, Simplified, English, Japanese:
		default:
			t.Errorf("Choose(%q, %q) = %q", cookie, header, l)
		}
	})
}
