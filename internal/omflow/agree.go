package omflow

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
	"github.com/omflow/booster/internal/omflow/profile"
)

// clearQuestion reports whether a request to the agree_get URL asks for a setting that
// everybody may see, whichever way it is read.
//
// OMFLOW reads the body as JSON, whatever its Content-Type, and takes it for a form
// if that fails. So a body that begins like an object must be one, whole, with
// the field once and an allowed name for its value. A form must be of the plain
// kind, in UTF-8, and have no character in it that could be decoded, such as "%", "+"
// and ";", which older Pythons take for "&". A multipart body is refused: Django may
// have read it as a form before OMFLOW tries JSON. OMFLOW 1.1.0.0 does not read the
// query; it is held to the same rule as a form, for versions that do.
func clearQuestion(r *Request, rawQuery string, q *profile.AgreeGet) bool {
	named, ok := clearForm(rawQuery, q)
	if !ok || r.multipart() {
		return false
	}
	body, complete := r.body()
	switch {
	case !complete:
		return false
	case len(body) == 0:
		return named
	case startsObject(body):
		return clearObject(body, q)
	default:
		inBody, ok := clearForm(body, q)
		return ok && inBody && plainForm(r.ContentType)
	}
}

// startsObject reports whether Python's parser would begin to read an object.
func startsObject(body []byte) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			return c == '{'
		}
	}
	return false
}

func clearObject(body []byte, q *profile.AgreeGet) bool {
	s := jsonscan.Scan(body)
	named := false
	for s.Next() {
		if !jsonscan.Equal(s.Key, q.Field) {
			continue
		}
		v, ok := jsonscan.Text(s.Value)
		if !ok || named || !saysOne(v, q.Public) {
			return false
		}
		named = true
	}
	return named && s.Whole() && utf8.Valid(body)
}

// clearForm reads a form or query. ok is false if it is not clear, or asks for what is
// not public, or asks twice; named says whether it asks at all.
func clearForm[T string | []byte](form T, q *profile.AgreeGet) (named, ok bool) {
	start := 0
	for i := 0; i <= len(form); i++ {
		if i < len(form) && form[i] != '&' {
			if !plainInForm(form[i]) {
				return false, false
			}
			continue
		}
		pair := form[start:i]
		start = i + 1
		if len(pair) < len(q.Field) || string(pair[:len(q.Field)]) != q.Field {
			continue
		}
		switch rest := pair[len(q.Field):]; {
		case len(rest) > 0 && rest[0] != '=':
		case len(rest) == 0 || named || !slices.Contains(q.Public, string(rest[1:])):
			return false, false
		default:
			named = true
		}
	}
	return named, true
}

func plainInForm(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' || c == '='
}

// plainForm reports whether a Content-Type is that of a form in UTF-8. With another
// charset Django would find other names in the same bytes.
func plainForm(contentType string) bool {
	kind, params, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return false
	}
	params = strings.TrimSpace(params)
	return params == "" || strings.EqualFold(params, "charset=utf-8")
}
