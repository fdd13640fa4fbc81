package omflow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

const (
	// maxOpenedFields bounds the fields of a form whose ticket can be recognised.
	maxOpenedFields = 300
	// maxOpenedDepth bounds how deep a field's value may be nested.
	maxOpenedDepth = 32
)

var (
	// openedColumn is the name of a form's field in the table of its flow's tickets.
	openedColumn = regexp.MustCompile(`^formitm_[0-9]{1,5}$`)
	// plainInteger is a number that Python writes as it was read.
	plainInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,17})$`)
)

// Opened returns what OMFLOW writes into the columns of a new ticket's first row for a
// create of the REST API: the SHA-256 sum, as hexadecimal digits, of the text in each
// column of the table that the form names. By these a ticket can be recognised without
// its text being sent anywhere. body is the whole body.
//
// It mirrors FormatFormdataListToFormdata (common.py, OMFLOW 1.1.0.0): a text is kept as
// it is, null is the empty text, an object or a list is written by Python's json.dumps, a
// number by str. ok is false for what it can't foretell for sure, and the create can't be
// recognised then: a body that is no JSON, a number with a fraction, half a surrogate pair,
// a form without fields, and one that gives the flow other input than the form
// (start_input), or that another ticket's flow has opened (outflow_content).
func (t *Table) Opened(r *Request, body []byte) (columns map[string]string, ok bool) {
	if !t.repairs.LostCreates || !t.isEdit(r.Path) || !t.REST(r.Path) {
		return nil, false
	}
	fields, clear := t.TicketFields(body)
	if !clear || !fields.OnlyCreates {
		return nil, false
	}
	var form []byte
	s := jsonscan.Scan(body)
	for s.Next() {
		switch {
		case jsonscan.Equal(s.Key, "start_input"), jsonscan.Equal(s.Key, "outflow_content"):
			return nil, false
		case jsonscan.Equal(s.Key, "formdata"):
			if form != nil {
				return nil, false
			}
			form = s.Value
		}
	}
	var items []map[string]json.RawMessage
	if form == nil || json.Unmarshal(form, &items) != nil || len(items) == 0 || len(items) > maxOpenedFields {
		return nil, false
	}
	columns = make(map[string]string, len(items))
	for _, item := range items {
		id, isText := openedText(item["id"])
		column := strings.ToLower(id)
		text, known := writtenText(item["value"])
		if !isText || !known || !openedColumn.MatchString(column) {
			return nil, false
		}
		sum := sha256.Sum256([]byte(text))
		columns[column] = hex.EncodeToString(sum[:])
	}
	return columns, true
}

// openedText is the text that a JSON string stands for. ok is false for anything else, and
// for a text that a database takes in another way, or not at all.
func openedText(raw json.RawMessage) (text string, ok bool) {
	inside, ok := jsonscan.Text(raw)
	if !ok {
		return "", false
	}
	text = unescaped(inside)
	return text, !strings.ContainsRune(text, utf8.RuneError) && strings.IndexByte(text, 0) < 0
}

// writtenText is what OMFLOW makes of a field's value.
func writtenText(raw json.RawMessage) (text string, ok bool) {
	switch {
	case len(raw) == 0:
		return "", false
	case raw[0] == '"':
		return openedText(raw)
	case raw[0] == '{' || raw[0] == '[':
		var b strings.Builder
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		ok = pythonDump(&b, d, maxOpenedDepth)
		return b.String(), ok
	}
	switch word := string(raw); word {
	case "null":
		return "", true
	case "true":
		return "True", true
	case "false":
		return "False", true
	default:
		return word, plainInteger.MatchString(word)
	}
}

// pythonDump writes the next value of d as Python's json.dumps does after json.loads has
// read it: in ASCII, with a blank after each comma and colon. Of equal members Python
// keeps one; such an object is refused.
func pythonDump(b *strings.Builder, d *json.Decoder, depth int) bool {
	token, err := d.Token()
	if err != nil || depth == 0 {
		return false
	}
	switch v := token.(type) {
	case json.Delim:
		b.WriteRune(rune(v))
		seen := map[string]bool{}
		for n := 0; d.More(); n++ {
			if n > 0 {
				b.WriteString(", ")
			}
			if v == '{' {
				name, err := d.Token()
				text, isText := name.(string)
				if err != nil || !isText || seen[text] || !pythonString(b, text) {
					return false
				}
				seen[text] = true
				b.WriteString(": ")
			}
			if !pythonDump(b, d, depth-1) {
				return false
			}
		}
		end, err := d.Token()
		if err != nil {
			return false
		}
		closing, isDelim := end.(json.Delim)
		b.WriteRune(rune(closing))
		return isDelim
	case string:
		return pythonString(b, v)
	case json.Number:
		b.WriteString(v.String())
		return plainInteger.MatchString(v.String())
	case bool:
		b.WriteString(map[bool]string{true: "true", false: "false"}[v])
		return true
	default:
		b.WriteString("null")
		return token == nil
	}
}

// pythonString writes a text as json.dumps does. It reports false for half a surrogate
// pair, which Go has read as U+FFFD.
func pythonString(b *strings.Builder, text string) bool {
	const digits = "0123456789abcdef"
	unit := func(u rune) {
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(digits[u>>shift&15])
		}
	}
	b.WriteByte('"')
	for _, r := range text {
		switch short := strings.IndexRune("\"\\\n\r\t\b\f", r); {
		case r == utf8.RuneError:
			return false
		case short >= 0:
			b.WriteByte('\\')
			b.WriteByte(`"\nrtbf`[short])
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			unit(high)
			unit(low)
		default:
			unit(r)
		}
	}
	b.WriteByte('"')
	return true
}

// CreatedPage is the answer to a create that has made the ticket of that number, as OMFLOW
// gives it, in the language of the client that sent r.
func (t *Table) CreatedPage(no int64, r *Request) Page {
	lang := chooseLanguage(r)
	body, err := json.Marshal(struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
		Result  int64  `json:"result"`
	}{Status: 200, Message: t.createdText(lang), Result: no})
	if err != nil {
		panic(err) // numbers and a string can be marshalled
	}
	return Page{Status: 200, ContentType: "application/json", ContentLanguage: lang.tag(), Body: body}
}

// createdText is OMFLOW's message in that language, or another's where it has none.
func (t *Table) createdText(lang language) string {
	for _, tag := range []string{lang.tag(), traditionalChinese.tag()} {
		if texts := t.profile.Tickets.Created[tag]; len(texts) > 0 {
			return texts[0]
		}
	}
	if len(t.created) > 0 {
		return t.created[0]
	}
	return ""
}
