package django

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":[1,2],"b":"x:y,z"}`: `{"a": [1, 2], "b": "x:y,z"}`,
		`"開"`:                     `"\u958b"`,
		`"😀"`:                     `"\ud83d\ude00"`,
		`"a\"b,\\"`:               `"a\"b,\\"`,
		`"<&>"`:                   `"<&>"`,
		`null`:                    `null`,
	} {
		var v any
		if err := json.Unmarshal([]byte(in), &v); err != nil {
			t.Fatal(err)
		}
		got, err := JSON(v)
		if err != nil || string(got) != want {
			t.Errorf("%s became %s, %v; want %s", in, got, err, want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"a":"開 \" , : \\","b":[1,{"😀":null}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		var v, back any
		if json.Unmarshal([]byte(in), &v) != nil {
			return
		}
		out, err := JSON(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &back); err != nil || !reflect.DeepEqual(v, back) {
			t.Errorf("%q became %q: %v", in, out, err)
		}
		for _, c := range out {
			if c >= 0x80 {
				t.Fatalf("%q is not ASCII", out)
			}
		}
	})
}

func TestParams(t *testing.T) {
	p := ParseBody("application/json", []byte(`{"s":"x","n":7,"list":[1,"2",null,"x"],"json":"[1]","yes":true,"no":false,"zero":0,"empty":""}`))
	if p.Text("s") != "x" || p.Text("n") != "7" || p.Text("list") != "" || p.Text("none") != "" {
		t.Errorf("texts %q %q %q", p.Text("s"), p.Text("n"), p.Text("list"))
	}
	if n, ok := p.Number("n"); !ok || n != 7 {
		t.Errorf("number %d, %v", n, ok)
	}
	if got := p.Numbers("list"); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("numbers %v", got)
	}
	if got := p.Numbers("n"); !reflect.DeepEqual(got, []int{7}) {
		t.Errorf("one number %v", got)
	}
	if string(p.Value("json")) != "[1]" {
		t.Errorf("JSON in a string: %s", p.Value("json"))
	}
	for name, want := range map[string]bool{"yes": true, "s": true, "n": true, "no": false, "zero": false, "empty": false, "none": false} {
		if p.Truthy(name) != want {
			t.Errorf("%s is %v", name, !want)
		}
	}
	form := ParseBody("application/x-www-form-urlencoded", []byte("a=1&a=2&b=%E9%96%8B"))
	if form.Text("a") != "2" || form.Text("b") != "開" {
		t.Errorf("form %v", form)
	}
}

func FuzzParseBody(f *testing.F) {
	f.Add("application/json", []byte(`{"security":"x","omflow_restapi":true,"data_no":["1"]}`))
	f.Add("application/x-www-form-urlencoded", []byte("a=1&b=%zz"))
	f.Add("", []byte("null"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		p := ParseBody(kind, body)
		if p == nil {
			t.Fatal("no parameters")
		}
		for name := range p {
			p.Text(name)
			p.Numbers(name)
			p.Truthy(name)
		}
	})
}

func TestCSRFToken(t *testing.T) {
	secret := RandomLetters(csrfSecret)
	a, b := maskCSRF(secret), maskCSRF(secret)
	if a == b {
		t.Error("two masks of one secret are the same")
	}
	for _, token := range []string{a, b, secret} {
		if got, ok := UnmaskCSRF(token); !ok || got != secret {
			t.Errorf("%q unmasked to %q, %v", token, got, ok)
		}
	}
}

func FuzzUnmaskCSRF(f *testing.F) {
	f.Add(NewCSRFToken())
	f.Add(strings.Repeat("a", 32))
	f.Add(strings.Repeat("é", 32))
	f.Fuzz(func(t *testing.T, token string) {
		if secret, ok := UnmaskCSRF(token); ok && len(secret) != csrfSecret {
			t.Errorf("%q unmasked to %q", token, secret)
		}
	})
}
