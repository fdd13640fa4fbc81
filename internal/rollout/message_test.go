package rollout

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAskValidate(t *testing.T) {
	long := strings.Repeat("n", maxName+1)
	for name, c := range map[string]struct {
		ask Ask
		ok  bool
	}{
		"plain":                     {Ask{Server: "s1"}, true},
		"follower":                  {Ask{Server: "s1", Runs: Follower, Age: time.Hour, Epoch: "a=1"}, true},
		"lead":                      {Ask{Server: "s1", Runs: Lead, Grant: 1, Witnesses: []string{"s2"}}, true},
		"lead that is being ended":  {Ask{Server: "s1", Grant: 1}, true},
		"no name":                   {Ask{}, false},
		"long name":                 {Ask{Server: long}, false},
		"lead without a grant":      {Ask{Server: "s1", Runs: Lead}, false},
		"runs as something unknown": {Ask{Server: "s1", Runs: "x"}, false},
		"runs as wait":              {Ask{Server: "s1", Runs: Wait}, false},
		"negative age":              {Ask{Server: "s1", Age: -1}, false},
		"bad epoch":                 {Ask{Server: "s1", Epoch: "x"}, false},
		"too many witnesses":        {Ask{Server: "s1", Witnesses: make([]string, MaxWitnesses+1)}, false},
		"witness without a name":    {Ask{Server: "s1", Witnesses: []string{""}}, false},
		"for people":                {Ask{Server: "s1", Missed: []string{"a"}, StrandedTickets: make([]string, MaxNotices), FailedCommands: []string{strings.Repeat("x", MaxNoticeText)}}, true},
		"too many missed":           {Ask{Server: "s1", Missed: make([]string, MaxNotices+1)}, false},
		"too many stranded":         {Ask{Server: "s1", StrandedTickets: make([]string, MaxNotices+1)}, false},
		"too long a failure":        {Ask{Server: "s1", FailedCommands: []string{strings.Repeat("x", MaxNoticeText+1)}}, false},
		"pauses":                    {Ask{Server: "s1", Pauses: 3, Flows: "0123456789abcdef"}, true},
		"negative pauses":           {Ask{Server: "s1", Pauses: -1}, false},
		"endless pauses":            {Ask{Server: "s1", Pauses: maxPauses + 1}, false},
		"lacks files":               {Ask{Server: "s1", MissingFiles: 3, Uncompared: true}, true},
		"lacks less than none":      {Ask{Server: "s1", MissingFiles: -1}, false},
		"a long version of flows":   {Ask{Server: "s1", Flows: long}, false},
		"witness with a long name":  {Ask{Server: "s1", Witnesses: []string{long}}, false},
	} {
		if err := c.ask.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswerValidate(t *testing.T) {
	for name, c := range map[string]struct {
		answer Answer
		ok     bool
	}{
		"wait":                   {Answer{Part: Wait}, true},
		"follower":               {Answer{Part: Follower, Restart: 5, Fast: true}, true},
		"lead":                   {Answer{Part: Lead, Grant: 1, Witnesses: []string{"s2"}}, true},
		"nothing":                {Answer{}, false},
		"unknown":                {Answer{Part: "x"}, false},
		"lead without a grant":   {Answer{Part: Lead}, false},
		"too many witnesses":     {Answer{Part: Wait, Witnesses: make([]string, MaxWitnesses+1)}, false},
		"witness without a name": {Answer{Part: Wait, Witnesses: []string{""}}, false},
	} {
		if err := c.answer.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOrdersAndDoorsValidate(t *testing.T) {
	long := strings.Repeat("n", maxName+1)
	many := make(map[string]string)
	up := make(map[string]bool)
	for i := range maxServers + 1 {
		name := strings.Repeat("s", 1+i%60) + string(rune('a'+i/60))
		many[name], up[name] = "", true
	}
	for name, c := range map[string]struct {
		message interface{ Validate() error }
		ok      bool
	}{
		"orders":               {Orders{Term: 1, Hold: true, Out: map[string]string{"s1": "why"}}, true},
		"no orders":            {Orders{}, true},
		"long reason":          {Orders{Out: map[string]string{"s1": strings.Repeat("x", 513)}}, false},
		"out without a name":   {Orders{Out: map[string]string{"": "why"}}, false},
		"out with a long name": {Orders{Out: map[string]string{long: "why"}}, false},
		"too many out":         {Orders{Out: many}, false},
		"doors":                {Doors{InFlight: map[string]int{"s1": 1}, Up: map[string]bool{"s1": true}, Working: 1}, true},
		"no doors":             {Doors{}, true},
		"negative in flight":   {Doors{InFlight: map[string]int{"s1": -1}}, false},
		"negative working":     {Doors{Working: -1}, false},
		"in flight, no name":   {Doors{InFlight: map[string]int{"": 1}}, false},
		"up, long name":        {Doors{Up: map[string]bool{long: true}}, false},
		"too many up":          {Doors{Up: up}, false},
	} {
		if err := c.message.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDoorsAdd(t *testing.T) {
	var d Doors
	d.Add(Doors{InFlight: map[string]int{"s1": 2}, Up: map[string]bool{"s1": true, "s2": true, "s3": false}, Working: 1})
	d.Add(Doors{InFlight: map[string]int{"s1": 3, "s2": 1}, Up: map[string]bool{"s1": true, "s2": false, "s3": true, "s4": true}, Working: 2})
	want := Doors{
		InFlight: map[string]int{"s1": 5, "s2": 1}, Working: 3,
		Up: map[string]bool{"s1": true, "s2": false, "s3": false, "s4": true},
	}
	if !maps.Equal(d.InFlight, want.InFlight) || !maps.Equal(d.Up, want.Up) || d.Working != want.Working {
		t.Errorf("%+v, want %+v", d, want)
	}
}

// FuzzMessages decodes a stranger's bytes and uses what passes as its owner would.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"server":"s1","candidate":true,"runs":"lead","grant":5,"offer":7,"age":1000,"epoch":"a=1","witnesses":["s2"]}`))
	f.Add([]byte(`{"term":3,"part":"lead","grant":1,"offer":2,"alone":true,"witnesses":["a","b"],"restart":9}`))
	f.Add([]byte(`{"term":3,"hold":true,"out":{"s1":"why"}}`))
	f.Add([]byte(`{"in_flight":{"s1":1},"up":{"s1":true},"working":1}`))
	f.Add([]byte(`{"s":"s1","g":1,"n":["s1"],"w":["s2"],"b":["s3"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.Unix(1e9, 0)
		var ask Ask
		if json.Unmarshal(b, &ask) == nil && ask.Validate() == nil {
			again(t, ask)
			g, l := make(agents), remembered(now, string(b))
			g.take(now, ask)
			l.heard(now, now, ask, true, true)
			g.candidates(now, "s1", "a=1")
			g.born(now, "")
			if l.answer(now, ask, &Answer{}) && l.holder != ask.Server {
				t.Fatalf("%+v is answered as the holder, which is %s", ask, l.holder)
			}
		}
		var answer Answer
		if json.Unmarshal(b, &answer) == nil && answer.Validate() == nil {
			again(t, answer)
			tenant := NewTenant()
			tenant.Answered(now, now, answer)
			if w := tenant.Want(now); w.Part == Lead && (answer.Offer == 0 || w.Grant != answer.Grant) {
				t.Fatalf("%+v makes it the lead, which it has not offered", answer)
			}
		}
		var orders Orders
		if json.Unmarshal(b, &orders) == nil && orders.Validate() == nil {
			again(t, orders)
		}
		var doors, sum Doors
		if json.Unmarshal(b, &doors) == nil && doors.Validate() == nil {
			again(t, doors)
			if sum.Add(doors); !maps.Equal(sum.Up, doors.Up) {
				t.Fatalf("%+v and nothing make %+v", doors, sum)
			}
		}
		if m, err := decodeMark(string(b)); err == nil {
			if m.Server == "" || len(m.Witnesses) > MaxWitnesses || len(m.Before) > MaxWitnesses {
				t.Fatalf("%s is taken for a mark", b)
			}
		}
	})
}

// again checks that a message which is valid stays what it is on its way.
func again[T interface{ Validate() error }](t *testing.T, m T) {
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var o T
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	c, _ := json.Marshal(o)
	if err := o.Validate(); err != nil || string(b) != string(c) {
		t.Fatalf("%+v comes as %+v: %v", m, o, err)
	}
}

func TestMark(t *testing.T) {
	m := mark{Server: "s1", Grant: 5, Others: []string{"s1", "s2"}, Witnesses: []string{"s2"}, Before: []string{"s3"}}
	text, ok := m.encode()
	if got, err := decodeMark(text); !ok || err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%q: %+v, %v", text, got, err)
	}
	m.Others = make([]string, 200)
	for i := range m.Others {
		m.Others[i] = "server"
	}
	text, ok = m.encode()
	if got, err := decodeMark(text); !ok || err != nil || got.Others != nil || got.Server != "s1" {
		t.Errorf("%q: %+v, %v", text, got, err)
	}
	m.Witnesses = []string{strings.Repeat("x", maxMark)}
	if text, ok = m.encode(); ok {
		t.Errorf("a mark of %d bytes", len(text))
	}
	for _, text := range []string{"", "x", "{}", `{"g":1}`, `{"s":"s1","w":["1","2","3","4","5","6"]}`, `{"s":"s1","w":[""]}`, `{"s":"` + strings.Repeat("s", maxMark) + `"}`} {
		if _, err := decodeMark(text); err == nil {
			t.Errorf("%.30q is taken for a mark", text)
		}
	}
}
