package omflow

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow/jsonscan"
	"github.com/omflow/booster/internal/omflow/profile"
)

// maxMessage bounds what is repeated of a server's message, in bytes.
const maxMessage = 160

// errNotOMFLOW is the answer of something that is not OMFLOW, or is broken.
var errNotOMFLOW = errors.New("the answer is not OMFLOW's JSON")

// DefaultChecks returns how an OMFLOW Server of version 1.1.0.0 is asked for its health.
// Both need no login.
//
// live asks /rest/x, a URL that OMFLOW refuses in 1 to 3 ms and without its
// database: any answer in OMFLOW's shape means that the process lives.
//
// ready asks for a setting that lies in the database, which costs one SELECT.
// OMFLOW answers HTTP 200 whatever happens and reports a broken database in the
// body; the error says that message. The login page would not do: it is well
// without a database.
func DefaultChecks() (live, ready health.Check) { return DefaultTable().Checks() }

// checkOf makes a profile's check one that can be done.
func checkOf(c profile.Check) health.Check {
	want := cmp.Or(c.HTTPStatus, http.StatusOK)
	return health.Check{
		URI: c.URI, Method: cmp.Or(c.Method, http.MethodGet), Body: c.Body, ContentType: c.ContentType, Expect: c.Contains,
		Judge: func(status int, body []byte) error {
			if status != want {
				return fmt.Errorf("HTTP status %d", status)
			}
			if c.Answer == profile.AnswerNone {
				return nil
			}
			return judgeBody(body, c.Answer == profile.AnswerAny)
		},
	}
}

// judgeBody wants OMFLOW's JSON, with status 200 unless any will do.
func judgeBody(body []byte, anyStatus bool) error {
	s, message, ok := BodyStatus(body)
	switch {
	case !ok:
		return errNotOMFLOW
	case anyStatus || s == http.StatusOK:
		return nil
	case message == "":
		return fmt.Errorf("status %d", s)
	default:
		return fmt.Errorf("status %d: %s", s, message)
	}
}

// BodyStatus reads the "status" and "message" of one of OMFLOW's JSON answers,
// {"status":200,"message":"…","result":…}. OMFLOW writes the status as a
// number, or, in some examples of its own, as a string; both are read. The
// message is shortened to one line of printable text. ok is false when the body
// is not a whole JSON object with a status of three digits.
func BodyStatus(body []byte) (status int, message string, ok bool) {
	s := jsonscan.Scan(body)
	for s.Next() {
		switch {
		case jsonscan.Equal(s.Key, "status"):
			status = threeDigits(s.Value)
		case jsonscan.Equal(s.Key, "message"):
			text, _ := jsonscan.Text(s.Value)
			message = sanitise(text)
		}
	}
	if !s.Whole() || status == 0 {
		return 0, "", false
	}
	return status, message, true
}

func threeDigits(value []byte) int {
	if text, ok := jsonscan.Text(value); ok {
		value = text
	}
	if len(value) != 3 {
		return 0
	}
	n := 0
	for _, c := range value {
		if c-'0' > 9 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	if n < 100 {
		return 0
	}
	return n
}

// sanitise decodes the inside of a JSON string, makes one line of it and cuts it
// at maxMessage. It ends up in logs and on status pages.
func sanitise(raw []byte) string {
	var b strings.Builder
	blank := false
	for len(raw) > 0 {
		var r rune
		r, raw = jsonscan.DecodeRune(raw)
		if unicode.IsSpace(r) {
			blank = b.Len() > 0
			continue
		}
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r)+1 > maxMessage {
			b.WriteString("…")
			break
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
