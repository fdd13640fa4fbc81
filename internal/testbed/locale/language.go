package locale

import (
	"strconv"
	"strings"
)

// Language is one of OMFLOW's languages, as it writes them in Content-Language.
type Language string

// OMFLOW's languages. A Language that is none of them reads as Traditional.
const (
	Traditional Language = "zh-hant"
	Simplified  Language = "zh-hans"
	English     Language = "en"
	Japanese    Language = "ja"
)

// maxHeader bounds the part of an Accept-Language header that is looked at.
// Browsers send less than 200 bytes.
const maxHeader = 1024

// Choose returns the language for a request's cookie django_language and its
// Accept-Language header (RFC 9110, section 12.5.4); either may be empty.
func Choose(cookie, header string) Language {
	if l, ok := match(cookie); ok {
		return l
	}
	if len(header) > maxHeader {
		header = header[:maxHeader]
	}
	best, quality := Traditional, 0.0
	for item := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(item, ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(v, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		if l, ok := match(strings.TrimSpace(tag)); ok && q > quality {
			best, quality = l, q
		}
	}
	return best
}

// match finds the language of a tag such as zh-TW, ja or en-GB.
func match(tag string) (Language, bool) {
	tag = strings.ToLower(tag)
	primary, rest, _ := strings.Cut(tag, "-")
	switch primary {
	case "en":
		return English, true
	case "ja":
		return Japanese, true
	case "zh":
		switch region, _, _ := strings.Cut(rest, "-"); region {
		case "hans", "cn", "sg", "my":
			return Simplified, true
		default:
			return Traditional, true
		}
	}
	return "", false
}

// Text translates a text named by its Traditional Chinese original.
func (l Language) Text(id string) string {
	t, ok := texts[id]
	if !ok {
		return id
	}
	switch l {
	case English:
		return t.en
	case Japanese:
		return t.ja
	case Simplified:
		return t.hans
	default:
		return id
	}
}
