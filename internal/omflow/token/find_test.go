package token

import (
	"net/url"
	"strings"
	"testing"
)

const (
	tokenA = "fcdcb8bb-ce58-490b-acf0-5877bd917924"
	tokenB = "00000000-1111-2222-3333-444444444444"
)

func TestFind(t *testing.T) {
	multipart := func(value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\ncreate\r\n--b\r\nContent-Disposition: form-data; name=\"security\"\r\n\r\n" + value + "\r\n--b--\r\n"
	}
	for name, test := range map[string]struct {
		body, contentType, want string
	}{
		"JSON":                        {`{"security":"` + tokenA + `","action":"create"}`, "application/json", tokenA},
		"JSON, spaces":                {"\r\n {\n\t\"security\" : \"" + tokenA + "\" }", "text/plain", tokenA},
		"JSON, escaped key":           {`{"\u0073ecurity":"` + tokenA + `"}`, "", tokenA},
		"JSON as a form's type":       {`{"security":"` + tokenA + `"}`, "application/x-www-form-urlencoded", tokenA},
		"JSON, twice: the last":       {`{"security":"` + tokenA + `","security":"` + tokenB + `"}`, "", tokenB},
		"JSON, twice: the last bad":   {`{"security":"` + tokenA + `","security":1}`, "", ""},
		"JSON, deeper":                {`{"a":{"security":"` + tokenA + `"}}`, "", ""},
		"JSON, inside a text":         {`{"a":"security\":\"` + tokenA + `"}`, "", ""},
		"JSON, not a token":           {`{"security":"` + strings.Repeat("x", Length) + `"}`, "", ""},
		"JSON, cut off behind it":     {`{"security":"` + tokenA + `","formdata":[`, "", tokenA},
		"form":                        {"action=create&security=" + tokenA + "&x=1", "application/x-www-form-urlencoded", tokenA},
		"form, other name":            {"insecurity=" + tokenA, "", ""},
		"form, too long":              {"security=" + tokenA + "0", "", ""},
		"form, twice: the last":       {"security=" + tokenA + "&security=" + tokenB, "", tokenB},
		"multipart":                   {multipart(tokenA), "multipart/form-data; boundary=b", tokenA},
		"multipart, longer":           {multipart(tokenA + "0"), "multipart/form-data; boundary=b", ""},
		"multipart, cut off":          {multipart(tokenA)[:150], "Multipart/form-data; boundary=b", ""},
		"empty":                       {"", "", ""},
		"a form's last, empty":        {"security=" + tokenA + "&security=", "", ""},
		"JSON that is not an object ": {`["` + tokenA + `"]`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			// A larger array behind the body must not shift the place.
			body := append(make([]byte, 0, len(test.body)+100), test.body...)
			at, ok := Find(body, test.contentType, "security")
			got := ""
			if ok {
				got = string(body[at : at+Length])
			}
			if got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

func TestFindInQuery(t *testing.T) {
	query := "omflow_restapi=true&security=" + tokenA
	if at, ok := FindInQuery(query, "security"); !ok || query[at:at+Length] != tokenA {
		t.Errorf("FindInQuery = %d, %v", at, ok)
	}
	if _, ok := FindInQuery("a=b", "security"); ok {
		t.Error("found a token where there is none")
	}
}

// What Find finds is a token, in the place that it says, and for a form the same as
// the standard library finds.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"security":"`+tokenA+`"}`), "application/json")
	f.Add([]byte("security="+tokenA+"&a=b"), "application/x-www-form-urlencoded")
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"security\"\r\n\r\n"+tokenA+"\r\n--b--"), "multipart/form-data; boundary=b")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		at, ok := Find(body, contentType, "security")
		if !ok {
			return
		}
		if at < 0 || at+Length > len(body) || !Valid(body[at:at+Length]) {
			t.Fatalf("Find(%q) = %d", body, at)
		}
		if startsObject(body) || strings.Contains(strings.ToLower(contentType), "multipart") {
			return
		}
		if values, err := url.ParseQuery(string(body)); err == nil {
			all := values["security"]
			if n := len(all); n == 0 || !strings.EqualFold(all[n-1], string(body[at:at+Length])) {
				// A name that is written with escapes is the only other spelling.
				if !strings.Contains(string(body), "%") {
					t.Errorf("found %q, a form has %q", body[at:at+Length], all)
				}
			}
		}
	})
}
