package omflow

import (
	"strconv"
	"strings"

	"github.com/omflow/booster/internal/cookie"
)

// language is one of the four languages that OMFLOW speaks.
type language uint8

const (
	traditionalChinese language = iota
	english
	japanese
	simplifiedChinese

	languages = int(simplifiedChinese) + 1
)

// tag returns the language's BCP 47 tag, for Content-Language and lang.
func (l language) tag() string {
	return [languages]string{"zh-Hant", "en", "ja", "zh-Hans"}[l]
}

const (
	// languageCookie is Django's name for the language that a user chose.
	languageCookie = "django_language"
	// maxAcceptLanguage bounds how much of Accept-Language is read, in bytes.
	maxAcceptLanguage = 512
)

// chooseLanguage follows OMFLOW: the user's choice, kept in a cookie, wins;
// then Accept-Language by its q-values (RFC 9110 §12.5.4); then Traditional
// Chinese, in which OMFLOW is written.
func chooseLanguage(r *Request) language {
	if v, ok := cookie.Value(r.header("Cookie"), languageCookie); ok {
		if l, ok := matchLanguage(v); ok {
			return l
		}
	}
	return acceptLanguage(r.header("Accept-Language"))
}

func acceptLanguage(header string) language {
	if len(header) > maxAcceptLanguage {
		header = header[:maxAcceptLanguage]
		header = header[:strings.LastIndexByte(header, ',')+1] // no half entry
	}
	best, bestQ := traditionalChinese, 0.0
	for entry := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(entry, ";")
		q, ok := quality(params)
		if !ok || q <= bestQ {
			continue
		}
		tag = strings.TrimSpace(tag)
		if tag == "*" {
			best, bestQ = traditionalChinese, q
		} else if l, ok := matchLanguage(tag); ok {
			best, bestQ = l, q
		}
	}
	return best
}

// quality reads the q parameter of one entry; there is none for 1.
func quality(params string) (float64, bool) {
	params = strings.TrimSpace(params)
	if params == "" {
		return 1, true
	}
	name, value, _ := strings.Cut(params, "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 0, false
	}
	value = strings.TrimSpace(value)
	// At most "0.123" (RFC 9110 §12.4.2): ParseFloat knows more notations.
	if value == "" || len(value) > 5 || strings.Trim(value, "0123456789.") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(value, 64)
	return q, err == nil && q <= 1
}

// matchLanguage finds the language for a BCP 47 tag, by Django's rules: a
// Chinese script or region decides, Chinese without either is Traditional
// because OMFLOW lists that first, of other languages the region is ignored.
func matchLanguage(tag string) (language, bool) {
	primary, rest, _ := strings.Cut(tag, "-")
	switch {
	case strings.EqualFold(primary, "en"):
		return english, true
	case strings.EqualFold(primary, "ja"):
		return japanese, true
	case !strings.EqualFold(primary, "zh"):
		return 0, false
	}
	for sub := range strings.SplitSeq(rest, "-") {
		switch {
		case strings.EqualFold(sub, "Hant"):
			return traditionalChinese, true
		case strings.EqualFold(sub, "Hans"), strings.EqualFold(sub, "CN"), strings.EqualFold(sub, "SG"),
			strings.EqualFold(sub, "MY"):
			return simplifiedChinese, true
		}
	}
	return traditionalChinese, true
}
