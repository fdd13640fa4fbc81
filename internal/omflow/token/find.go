package token

import (
	"bytes"
	"strings"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// Find returns where in the body of a call its token is; field is the token's name there,
// of letters, digits and "._-". body may be the beginning of
// the body only. OMFLOW reads every body as JSON first, whatever its Content-Type, then
// as a form; of several values Python takes the last, and so does Find.
func Find(body []byte, contentType, field string) (at int, ok bool) {
	switch {
	case startsObject(body):
		return inJSON(body, field)
	case strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "multipart/"):
		return inMultipart(body, field)
	default:
		return inForm(body, field)
	}
}

// FindInQuery returns where in a query its token is.
func FindInQuery(query, field string) (at int, ok bool) {
	if !strings.Contains(query, field+"=") {
		return 0, false
	}
	return inForm([]byte(query), field)
}

func startsObject(body []byte) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{'
		}
	}
	return false
}

func inJSON(body []byte, field string) (at int, ok bool) {
	s := jsonscan.Scan(body)
	for s.Next() {
		if !jsonscan.Equal(s.Key, field) {
			continue
		}
		text, isText := jsonscan.Text(s.Value)
		ok = isText && Valid(text)
		if ok {
			at = cap(body) - cap(text) // both end where the array ends
		}
	}
	return at, ok
}

func inForm(body []byte, field string) (at int, ok bool) {
	for from := 0; from < len(body); {
		end := bytes.IndexByte(body[from:], '&')
		if end < 0 {
			end = len(body) - from
		}
		pair := body[from : from+end]
		if len(pair) > len(field) && string(pair[:len(field)]) == field && pair[len(field)] == '=' {
			at = from + len(field) + 1
			ok = Valid(pair[len(field)+1:])
		}
		from += end + 1
	}
	return at, ok
}

// inMultipart finds a part of the name whose value is a token. It reads no more of the
// syntax than that: what it finds has the form of a token, and is changed only if it is
// one that is known.
func inMultipart(body []byte, field string) (at int, ok bool) {
	name := []byte(`name="` + field + `"`)
	for from := 0; ; {
		i := bytes.Index(body[from:], name)
		if i < 0 {
			return at, ok
		}
		from += i + len(name)
		begin := bytes.Index(body[from:], []byte("\r\n\r\n"))
		if begin < 0 {
			return at, ok
		}
		value := from + begin + 4
		end := value + Length
		found := end+2 <= len(body) && body[end] == '\r' && body[end+1] == '\n' && Valid(body[value:end])
		at, ok = value, found
	}
}
