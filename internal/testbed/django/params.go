package django

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
)

// Params are the parameters of a POST: a JSON body, or a form with every value a
// string.
type Params map[string]json.RawMessage

// Text returns a string parameter; numbers count as their digits.
func (p Params) Text(name string) string {
	raw, ok := p[name]
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// Number returns a parameter that is an integer, or a string of one.
func (p Params) Number(name string) (int, bool) {
	n, err := strconv.Atoi(p.Text(name))
	return n, err == nil
}

// Value returns a parameter as JSON. In a form, JSON comes as a string.
func (p Params) Value(name string) json.RawMessage {
	raw := p[name]
	var s string
	if json.Unmarshal(raw, &s) == nil && json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	return raw
}

// Numbers returns a parameter that is an integer, or a list of them.
func (p Params) Numbers(name string) []int {
	var list []json.RawMessage
	raw := p.Value(name)
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var out []int
	for _, item := range list {
		one := Params{"n": item}
		if n, ok := one.Number("n"); ok {
			out = append(out, n)
		}
	}
	return out
}

// Truthy tells whether Python would take a parameter for true.
func (p Params) Truthy(name string) bool {
	switch string(bytes.TrimSpace(p[name])) {
	case "", "null", "false", "0", `""`, "[]", "{}":
		return false
	}
	return true
}

// ParseBody makes parameters of a body: JSON whatever it says it is, else a form.
func ParseBody(kind string, body []byte) Params {
	p := Params{}
	if json.Unmarshal(body, &p) == nil && p != nil {
		return p
	}
	p = Params{}
	if kind != "application/x-www-form-urlencoded" {
		return p
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return p
	}
	for k, v := range form {
		p.Set(k, v[len(v)-1])
	}
	return p
}

// Set gives a parameter a string, as a form does.
func (p Params) Set(name, value string) {
	raw, err := json.Marshal(value)
	if err == nil { // always, for a string
		p[name] = raw
	}
}
