package token

import (
	"encoding/json"
	"testing"
	"time"
)

// In JSON Find finds what any parser reads that lets the last of two equal keys count.
func FuzzFindInJSON(f *testing.F) {
	f.Add([]byte(`{"security":"` + tokenA + `","omflow_restapi":true}`))
	f.Add([]byte(`{"security":"` + tokenA + `","\u0073ecurity":"` + tokenB + `"}`))
	f.Add([]byte(`{"x":{"security":"` + tokenA + `"},"security":["` + tokenA + `"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		at, ok := Find(body, "application/json", "security")
		members := map[string]json.RawMessage{}
		if !ok || !startsObject(body) || json.Unmarshal(body, &members) != nil {
			return
		}
		var value string
		if err := json.Unmarshal(members["security"], &value); err != nil || value != string(body[at:at+Length]) {
			t.Fatalf("%q: found %q, JSON has %s", body, body[at:at+Length], members["security"])
		}
	})
}

// FuzzBroker holds that nobody gets a token that was issued to another login, whatever
// servers and clients say, and that what is remembered stays bounded. The program is a
// list of steps of three bytes: what, which server and login, which token.
func FuzzBroker(f *testing.F) {
	f.Add([]byte{0, 1, 1, 2, 2, 1, 3, 1, 1, 1, 1, 1, 0, 2, 1, 2, 2, 1}, "Basic YTph")
	f.Add([]byte{0, 1, 1, 0, 2, 2, 0, 5, 1, 2, 1, 2}, "") // one token, issued to two
	f.Add([]byte{1, 1, 1, 0, 1, 1, 2, 1, 1, 4, 0, 0, 2, 1, 1}, "")
	f.Add([]byte{0, 1, 1, 4, 255, 255, 4, 255, 255, 0, 1, 17, 3, 1, 1, 2, 1, 17}, "Bearer \x00")
	f.Fuzz(func(t *testing.T, program []byte, prefix string) {
		var b Broker
		now := start
		owner := make(map[string]string) // of each token, by the login it was issued to last
		for ; len(program) >= 3; program = program[3:] {
			server, which := uint64(program[1]%4), program[2]
			login, token := prefix+string(rune('a'+program[1]>>2%4)), uuid(int(which%16))
			switch program[0] % 5 {
			case 0:
				b.Learn(now, server, login, token)
				if len(login) <= maxLogin {
					owner[token] = login
				}
			case 1:
				b.Adopt(now, server, token)
			case 2:
				l, ok := b.Lookup(now, []byte(token))
				if !ok {
					continue
				}
				if l.authorization != "" && l.authorization != owner[token] {
					t.Fatalf("%s is taken for the token of %q, it was issued to %q", token, l.authorization, owner[token])
				}
				if value, ok := b.For(now, l, server); ok && l.authorization != "" && owner[value] != l.authorization {
					t.Fatalf("%q gets %s, which was issued to %q", l.authorization, value, owner[value])
				}
			case 3:
				if l, ok := b.Lookup(now, []byte(token)); ok {
					b.Refused(l, server, token)
				}
			case 4:
				now = now.Add(time.Duration(program[1]) * time.Second)
			}
		}
		if n := b.Len(); n > 16 {
			t.Fatalf("%d tokens are kept of 16", n)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.adopted < 0 {
			t.Fatalf("%d adopted tokens are counted", b.adopted)
		}
		if b.timer != nil {
			b.timer.Stop()
		}
	})
}
