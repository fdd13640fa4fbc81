package omflow

import (
	"net/http"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// maxShortAnswer bounds the answers that are looked at for one of OMFLOW's messages,
// in bytes. They have less than 500.
const maxShortAnswer = 4 << 10

// reply is one of OMFLOW's JSON answers. Its parts belong to the answer's bytes.
type reply struct {
	status  int
	message []byte // inside of the string, escapes as they are written
	result  []byte // as it is written; nil if there is none
}

// readReply reads a short answer. ok is false if it is not exactly one object with a
// status.
func readReply(body []byte) (a reply, ok bool) {
	if len(body) > maxShortAnswer {
		return reply{}, false
	}
	s := jsonscan.Scan(body)
	for s.Next() {
		switch {
		case jsonscan.Equal(s.Key, "status"):
			a.status = threeDigits(s.Value)
		case jsonscan.Equal(s.Key, "message"):
			a.message, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "result"):
			a.result = s.Value
		}
	}
	return a, s.Whole() && a.status != 0
}

// says reports whether the answer has one of the messages. They are in all languages: the
// language follows the client's headers. Their text is all that tells one refusal from
// another.
func (a reply) says(messages []string) bool {
	for _, m := range messages {
		if sameText(a.message, m) {
			return true
		}
	}
	return false
}

// refused reports whether the answer is OMFLOW's "no permission" with one of the
// messages, and nothing else.
func (a reply) refused(messages []string) bool {
	return a.status == http.StatusForbidden && string(a.result) == "null" && a.says(messages)
}

// begins reports whether the answer's message begins with one of the texts.
func (a reply) begins(texts []string) bool {
	for _, text := range texts {
		if _, ok := cutText(a.message, text); ok {
			return true
		}
	}
	return false
}

// sameText reports whether raw, the inside of a string of a scanned object, stands for
// text, which has no U+FFFD.
func sameText(raw []byte, text string) bool {
	rest, ok := cutText(raw, text)
	return ok && len(rest) == 0
}

// cutText returns what follows text at the beginning of raw, see sameText.
func cutText(raw []byte, text string) (rest []byte, ok bool) {
	for len(text) > 0 {
		want, n := utf8.DecodeRuneInString(text)
		if len(raw) == 0 {
			return nil, false
		}
		var r rune
		if r, raw = jsonscan.DecodeRune(raw); r != want {
			return nil, false
		}
		text = text[n:]
	}
	return raw, true
}
