package omflow

import (
	"net/http"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// maxShortAnswer bounds the answers that are looked at for one of OMFLOW's messages,
// in bytes. They have less than 500.
const maxShortAnswer = 4 << 10

// OMFLOW's messages that say what happened to a request, by language, as its
// translations have them (OMFLOW 1.1.0.0). Their text is all that tells one refusal
// from another.
var (
	tokenWrong = [languages]string{
		traditionalChinese: "安全碼錯誤，請確認安全碼或重新取得新的安全碼。",
		english:            "The security code is wrong. Please confirm the security code or obtain a new security code.",
		japanese:           "コードが間違っています。コードを確認してください。または，新しいコードを入手してください。",
		simplifiedChinese:  "安全码错误，请确认安全码或重新取得新的安全码。",
	}
	tokenOver = [languages]string{
		traditionalChinese: "安全碼過期，請重新取得新的安全碼。",
		english:            "The security code has expired. Please obtain a new security code.",
		japanese:           "コードの有効期限が切れています。新しいコードを入手してください。",
		simplifiedChinese:  "安全码过期，请重新取得新的安全码。",
	}
	ticketCreated = [languages]string{
		traditionalChinese: "開單成功。",
		english:            "Create data successfully.",
		japanese:           "作成しました。",
		simplifiedChinese:  "开单成功。",
	}
)

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

// says reports whether the answer has one of the messages, in any language: the
// language follows the client's headers.
func (a reply) says(messages *[languages]string) bool {
	for _, m := range messages {
		if sameText(a.message, m) {
			return true
		}
	}
	return false
}

// refused reports whether the answer is OMFLOW's "no permission" with one of the
// messages, and nothing else.
func (a reply) refused(messages *[languages]string) bool {
	return a.status == http.StatusForbidden && string(a.result) == "null" && a.says(messages)
}

// sameText reports whether raw, the inside of a string of a scanned object, stands for
// text, which has no U+FFFD.
func sameText(raw []byte, text string) bool {
	for len(raw) > 0 {
		want, n := utf8.DecodeRuneInString(text)
		if n == 0 {
			return false
		}
		var r rune
		if r, raw = jsonscan.DecodeRune(raw); r != want {
			return false
		}
		text = text[n:]
	}
	return text == ""
}
