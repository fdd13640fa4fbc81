package token

import (
	"encoding/base64"
	"testing"
	"time"
)

func TestUser(t *testing.T) {
	basic := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for authorization, want := range map[string]string{
		"Basic " + basic("bob:secret"):   "bob",
		"basic " + basic("流程:a:b"):       "流程",
		"Basic " + basic("bob"):          "",
		"Basic " + basic(":secret"):      "",
		"Basic %":                        "",
		"Bearer " + basic("bob:secret"):  "",
		"Basic  " + basic("bob:secret "): "bob",
	} {
		var b Broker
		const value = "5bde427a-86e3-43ec-85ac-17523185ed07"
		b.Learn(time.Now(), 1, authorization, value)
		l, ok := b.Lookup(time.Now(), []byte(value))
		if !ok {
			t.Fatalf("%s: no login", authorization)
		}
		if got := b.User(l); got != want {
			t.Errorf("%s: %q, want %q", authorization, got, want)
		}
	}
	var b Broker
	if got := b.User(&Login{}); got != "" {
		t.Errorf("an adopted one: %q", got)
	}
}
