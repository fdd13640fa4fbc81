package profile

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// The built-in profile is a file as JSON writes it, so that what a user prints is what
// the program works with, and a change of it shows in one line.
func TestBuiltInIsAsPrinted(t *testing.T) {
	if got := string(Default().JSON()); got != string(omflow11) {
		t.Errorf("omflow-1.1.json is not as JSON writes it; it should be\n%s", got)
	}
	if r := Default().Repairs; r != (Repairs{true, true, true, true, true, true, true, true}) {
		t.Errorf("a repair is off: %+v", r)
	}
}

func TestDefaultIsACopy(t *testing.T) {
	p := Default()
	p.URLs[0].Class, p.Verbs.Read[0], p.Tokens.Wrong["ja"][0] = ClassRead, "x", "x"
	p.Unlisted[0].Prefix = "/x/"
	if reflect.DeepEqual(p, Default()) || string(Default().JSON()) != string(omflow11) {
		t.Error("a change of one copy reaches the next")
	}
}

func TestBase(t *testing.T) {
	p, err := Parse([]byte("\ufeff" + `{
		"base": "omflow-1.1",
		"repairs": {"tokens": false},
		"urls": [
			{"path": "/api/new/", "lane": "control"},
			{"path": "/accounts/logout/", "class": "create"},
			{"path": "/flowmanage/api/omdata/edit/", "class": "read"}
		],
		"unlisted": [{"prefix": "/new"}],
		"verbs": {"read": ["look"]},
		"static": {"extensions": []},
		"tokens": {"wrong": {"ja": ["違う。", "コード"], "ko": ["아니오"], "en": []}, "field": "token"},
		"answers": {"no_server": {"ja": {"message": "今はない。"}}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Repairs.Tokens = false
	for i := range want.URLs {
		if want.URLs[i].Path == "/accounts/logout/" {
			want.URLs[i] = URL{Path: "/accounts/logout/", Class: ClassCreate}
		}
	}
	want.URLs = append(want.URLs, URL{Path: "/api/new/", Lane: "control"}, // behind all
		URL{Path: "/flowmanage/api/omdata/edit/", Class: ClassRead}) // not the one with another match
	want.Unlisted = []Family{{Prefix: "/new"}}
	want.Verbs.Read = []string{"look"}
	want.Static.Extensions = nil
	want.Tokens.Wrong["ja"] = []string{"違う。", "コード"}
	want.Tokens.Wrong["ko"] = []string{"아니오"}
	delete(want.Tokens.Wrong, "en")
	want.Tokens.Field = "token"
	want.Answers.NoServer.Japanese.Message = "今はない。" // and the title as it was
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got\n%s\nwant\n%s", p.JSON(), want.JSON())
	}
	same(t, p)
}

// A file that says nothing else is the base.
func TestBaseAlone(t *testing.T) {
	p, err := Parse([]byte(`{"base": "omflow-1.1", "urls": [], "verbs": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, Default()) {
		t.Errorf("got\n%s", p.JSON())
	}
}

// same holds that what JSON writes is what Parse read.
func same(t *testing.T, p *Profile) {
	t.Helper()
	again, err := Parse(p.JSON())
	if err != nil {
		t.Fatalf("what was written can't be read: %v\n%s", err, p.JSON())
	}
	if !reflect.DeepEqual(again, p) {
		t.Fatalf("read again it is\n%s\nit was\n%s", again.JSON(), p.JSON())
	}
}

// A profile without a base is what it says and no more.
func TestWithoutBase(t *testing.T) {
	p, err := Parse([]byte(`{"health": {"live": {"uri": "/a"}, "ready": {"uri": "/b?c=d", "http_status": 204, "answer": "none"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Profile{Health: Health{Live: Check{URI: "/a"}, Ready: Check{URI: "/b?c=d", HTTPStatus: 204, Answer: AnswerNone}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got\n%s", p.JSON())
	}
	same(t, p)
}

func TestParseRefuses(t *testing.T) {
	const base = `"base": "omflow-1.1"`
	over := func(fields string) string { return "{" + base + ", " + fields + "}" }
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+",", i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	for name, tt := range map[string]struct {
		file string
		want []string // pieces of the error
	}{
		"nothing":           {"", []string{"line 1", "the file ends here"}},
		"a list":            {"[]", []string{"line 1", "write an object"}},
		"null":              {"null", []string{"write an object"}},
		"broken off":        {"{\n\"rest\": \"/rest/\",", []string{"line 2"}},
		"no JSON":           {"{\n\n  rest: 1}", []string{"line 3", "invalid character"}},
		"more after it":     {"{" + base + "}\n{}", []string{"line 2", "follows"}},
		"not UTF-8":         {"{\"rest\":\"\xff\"}", []string{"UTF-8"}},
		"too large":         {strings.Repeat(" ", MaxSize+1), []string{"at most 1048576"}},
		"unknown base":      {`{"base": "omflow-9"}`, []string{`"omflow-9"`, `write "omflow-1.1"`}},
		"unknown field":     {over("\n\"urls\": [\n{\"path\": \"/a/\",\n\"lne\": \"flow\"}]"), []string{"line 4: urls[0]", `no field "lne"`, "action, class, files, lane, match, note, path, work"}},
		"another case":      {over(`"REST": "/r/"`), []string{`no field "REST"`}},
		"unknown reason":    {over(`"answers": {"no_servers": {}}`), []string{"answers", "no_server,"}},
		"unknown language":  {over(`"answers": {"no_server": {"fr": {}}}`), []string{"answers.no_server", "zh-Hant"}},
		"a field twice":     {over(`"rest": "/a/", "rest": "/b/"`), []string{"rest: is given twice"}},
		"twice, escaped":    {over(`"rest": "/a/", "\u0072est": "/b/"`), []string{"rest: is given twice"}},
		"null in it":        {over(`"rest": null`), []string{"rest: write a text"}},
		"a number":          {over(`"rest": 1`), []string{"rest: write a text"}},
		"a text":            {over(`"repairs": {"lead": "off"}`), []string{"repairs.lead: write true or false"}},
		"an object":         {over(`"urls": {}`), []string{"urls: write a list"}},
		"half a status":     {over(`"health": {"live": {"http_status": 200.5}}`), []string{"write a number"}},
		"negative":          {over(`"health": {"live": {"http_status": -200}}`), []string{"write a number"}},
		"no such status":    {over(`"health": {"live": {"http_status": 100}}`), []string{"health.live.http_status"}},
		"no such answer":    {over(`"health": {"live": {"answer": "yes"}}`), []string{"write ok, any or none"}},
		"no health":         {"{}", []string{"health.live.uri is missing", "base"}},
		"a check's URI":     {over(`"health": {"ready": {"uri": "x"}}`), []string{"health.ready", "slash"}},
		"a check's method":  {over(`"health": {"ready": {"method": "GET X"}}`), []string{"not an HTTP method"}},
		"no path":           {over(`"urls": [{"class": "read"}]`), []string{"urls[", "must begin with a slash"}},
		"no slash":          {over(`"urls": [{"path": "/a"}]`), []string{"must end with a slash"}},
		"a pattern":         {over(`"urls": [{"path": "/a/*/"}]`), []string{"control characters or one of"}},
		"an escape":         {over(`"urls": [{"path": "/a%20b/"}]`), []string{"decoded path"}},
		"dots":              {over(`"urls": [{"path": "/a/../b/"}]`), []string{"dot segments"}},
		"two slashes":       {over(`"urls": [{"path": "/a//"}]`), []string{"empty"}},
		"a long path":       {over(`"urls": [{"path": "/` + strings.Repeat("a", maxPath) + `/"}]`), []string{"at most 1024"}},
		"half a pair":       {over(`"urls": [{"path": "/\ud800/"}]`), []string{"control characters"}},
		"a lane":            {over(`"urls": [{"path": "/a/", "lane": "fast"}]`), []string{`"fast"`}},
		"a class":           {over(`"urls": [{"path": "/a/", "class": "update"}]`), []string{"write read, guarded or create"}},
		"a match":           {over(`"urls": [{"path": "/a/", "match": "prefix"}]`), []string{"write exact, child or below"}},
		"a guarded action":  {over(`"urls": [{"path": "/a/", "class": "guarded", "action": true}]`), []string{"needs the class create"}},
		"an action of none": {over(`"action": {"field": ""}, "repairs": {"lost_creates": false}`), []string{"action.field"}},
		"a URL twice":       {over(`"urls": [{"path": "/a/"}, {"path": "/a/", "match": "exact"}]`), []string{"urls[1]", "another one"}},
		"a family's lane":   {over(`"unlisted": [{"prefix": "/a", "lane": "x"}]`), []string{"unlisted[0]"}},
		"a family's prefix": {over(`"unlisted": [{"prefix": "a"}]`), []string{"unlisted[0]", "slash"}},
		"a word twice":      {over(`"verbs": {"read": ["copy"]}`), []string{`"copy" is in verbs.read too`}},
		"an action twice":   {over(`"action": {"delete": ["update"]}`), []string{`"update" is in action.update too`}},
		"a word with quote": {over(`"action": {"update": ["a\"b"]}`), []string{"action.update[0]"}},
		"a field's quote":   {over(`"tokens": {"field": "a\\b"}`), []string{"tokens.field"}},
		"an empty word":     {over(`"verbs": {"read": [""]}`), []string{"verbs.read[0]"}},
		"an empty message":  {over(`"tokens": {"wrong": {"ja": [""]}}`), []string{"tokens.wrong.ja[0]"}},
		"a long message":    {over(`"tokens": {"wrong": {"ja": ["` + strings.Repeat("a", maxText+1) + `"]}}`), []string{"at most 1024 bytes"}},
		"half a message":    {over(`"tokens": {"expired": {"ja": ["a\ud800"]}}`), []string{"tokens.expired.ja[0]"}},
		"no language":       {over(`"tokens": {"wrong": {"": ["x"]}}`), []string{"language tag"}},
		"a token's path":    {over(`"tokens": {"path": "/a b/"}`), []string{"tokens.path"}},
		"a prefix":          {over(`"static": {"prefixes": ["static/"]}`), []string{"static.prefixes[0]"}},
		"no piece":          {over(`"history_files": {"word": "old-files"}`), []string{"piece of history_files.path"}},
		"repair: tokens":    {over(`"tokens": {"path": ""}`), []string{"repairs.tokens", "tokens.path", "switch the repair off"}},
		"repair: messages":  {over(`"tokens": {"wrong": {"zh-Hant": [], "zh-Hans": [], "en": [], "ja": []}}`), []string{"needs tokens.wrong"}},
		"repair: creates":   {over(`"tickets": {"no_model": []}`), []string{"repairs.lost_creates", "no_model"}},
		"repair: agree":     {over(`"agree_get": {"field": ""}`), []string{"repairs.agree_get"}},
		"repair: files":     {over(`"history_files": {"word": ""}`), []string{"repairs.history_files"}},
		"repair: cookies":   {over(`"rest": "", "repairs": {"tokens": false}`), []string{"repairs.rest_cookies is on and needs rest"}},
		"repair: gate":      {over(`"repairs": {"lead": false}`), []string{"repairs.multipart_gate is on and needs repairs.lead"}},

		"many elements": {over(`"urls": [` + many(`{"path":"/%d/"}`, maxItems+1) + `]`), []string{"more than 4096"}},
		"many in all":   {over(`"urls": [` + many(`{"path":"/%d/"}`, maxItems) + `]`), []string{"at most 4096"}},
		"many open":     {over(`"urls": [` + many(`{"path":"/%d/","match":"child"}`, maxOpenURLs) + `]`), []string{"at most 256"}},
		"many words":    {over(`"verbs": {"read": [` + many(`"w%d"`, maxWords+1) + `]}`), []string{"at most 256"}},
		"many prefixes": {over(`"static": {"prefixes": [` + many(`"/%d/"`, maxWords+1) + `]}`), []string{"at most 256"}},
		"many messages": {over(`"tokens": {"wrong": {"en": [` + many(`"%d"`, maxTexts+1) + `]}}`), []string{"at most 64"}},
		"many families": {over(`"unlisted": [` + many(`{"prefix":"/%d"}`, maxFamilies+1) + `]`), []string{"at most 64"}},
		"many tongues":  {over(`"tokens": {"wrong": {` + many(`"x%d":[]`, maxItems+1) + `}}`), []string{"more than 4096"}},
	} {
		_, err := Parse([]byte(tt.file))
		if err == nil {
			t.Errorf("%s: is taken", name)
			continue
		}
		for _, piece := range tt.want {
			if !strings.Contains(err.Error(), piece) {
				t.Errorf("%s: %v; %q is missing in it", name, err, piece)
			}
		}
	}
}

// Validate is also for profiles that no file was read for.
func TestValidateRefusesABase(t *testing.T) {
	p := Default()
	p.Base = OMFLOW11
	if p.Validate() == nil {
		t.Error("a base that was not resolved is taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"base":"omflow-1.1","urls":[{"path":"/a/","lane":"flow","note":"<&\u2028>"}],"tokens":{"wrong":{"ja":["違"]}}}`))
	f.Add([]byte(`{"health":{"live":{"uri":"/"},"ready":{"uri":"/","body":"\"\\\n"}},"static":{"extensions":[]}}`))
	f.Add([]byte(`{"base":"omflow-1.1","answers":{"forbidden":{"en":{"title":"\ud800"}}}}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := Parse(file)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("what Parse takes, Validate refuses: %v", err)
		}
		same(t, p)
	})
}
