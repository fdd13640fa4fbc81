package omflow

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
)

// request makes the view of a request with header fields in pairs.
func request(method, path string, fields ...string) *Request {
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &Request{Method: method, Path: path, Header: h}
}

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestEveryReasonInEveryLanguage(t *testing.T) {
	for reason := range Reason(reasons) {
		if reason.String() == "" || reason.Status() < 400 {
			t.Errorf("reason %d: name %q, status %d", reason, reason, reason.Status())
		}
		for lang := range language(languages) {
			tx := builtInTable.texts[reason][lang]
			if tx.Title == "" || tx.Message == "" || pageLabels[lang].requestID == "" {
				t.Fatalf("%s has no text in %s", reason, lang.tag())
			}
			if han := strings.ContainsFunc(tx.Message, func(r rune) bool { return unicode.Is(unicode.Han, r) }); han == (lang == english) {
				t.Errorf("%s in %s: %s", reason, lang.tag(), tx.Message)
			}
			if lang != english && strings.ContainsAny(tx.Title+tx.Message, ",.;") {
				t.Errorf("%s in %s has half-width punctuation: %s", reason, lang.tag(), tx.Message)
			}
			a := Answer{Reason: reason, RequestID: "id-1"}

			api := builtInTable.Render(a, request("POST", "/rest/x", "Accept-Language", lang.tag()))
			var body map[string]any
			if err := json.Unmarshal(api.Body, &body); err != nil {
				t.Fatal(err)
			}
			result, there := body["result"]
			if body["status"] != float64(reason.Status()) || body["message"] != tx.Message || result != nil || !there || len(body) != 3 {
				t.Errorf("%s in %s: %s", reason, lang.tag(), api.Body)
			}

			page := builtInTable.Render(a, request("GET", "/", "Accept", browserAccept, "Accept-Language", lang.tag()))
			if page.Status != reason.Status() || page.ContentLanguage != lang.tag() {
				t.Errorf("%s in %s: %d, %s", reason, lang.tag(), page.Status, page.ContentLanguage)
			}
			for _, want := range []string{html.EscapeString(tx.Title), html.EscapeString(tx.Message), "id-1", `lang="` + lang.tag() + `"`} {
				if !strings.Contains(string(page.Body), want) {
					t.Errorf("%s in %s: the page lacks %q", reason, lang.tag(), want)
				}
			}
			checkSelfContained(t, page.Body)
		}
	}
	if r := Reason(reasons); r.Status() != 502 || r.String() != "unknown" || builtInTable.Render(Answer{Reason: r}, request("GET", "/x")).Body == nil {
		t.Error("an unknown reason has no answer")
	}
}

// checkSelfContained refuses pages that load something or whose tags don't
// close.
func checkSelfContained(t *testing.T, page []byte) {
	t.Helper()
	for _, bad := range []string{"http:", "https:", "<script", "src=", "@import", "url("} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the page has %q", bad)
		}
	}
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("the page's tags: %v", err)
			return
		}
	}
}

func TestWhoGetsHTML(t *testing.T) {
	for _, tt := range []struct {
		r    *Request
		html bool
	}{
		{request("GET", "/", "Accept", browserAccept), true},
		{request("POST", "/accounts/login/", "Accept", browserAccept), true},
		{request("GET", "/", "Accept", "application/json, text/javascript, */*; q=0.01"), false},
		{request("GET", "/", "Accept", "*/*"), false},
		{request("GET", "/"), false},
		{&Request{Method: "GET", Path: "/"}, false},
		{request("GET", "/", "Accept", browserAccept, "X-Requested-With", "XMLHttpRequest"), false},
		{request("GET", "/rest/x", "Accept", browserAccept), false},
		{request("GET", "/%72est/x", "Accept", browserAccept), false},
		{request("POST", "/service/api/load", "Accept", browserAccept), false},
		{request("GET", "/api/history-files/download/a/b.txt", "Accept", browserAccept), true},
	} {
		p := builtInTable.Render(Answer{Reason: NoServer}, tt.r)
		if got := strings.HasPrefix(p.ContentType, "text/html"); got != tt.html {
			t.Errorf("%s %s %v: html %v, want %v", tt.r.Method, tt.r.Path, tt.r.Header, got, tt.html)
		}
	}
}

func TestRetry(t *testing.T) {
	for _, tt := range []struct {
		reason  Reason
		method  string
		after   time.Duration
		header  string
		refresh bool
	}{
		{QueueFull, "GET", 0, "5", true},
		{QueueFull, "GET", 1200 * time.Millisecond, "2", true},
		{QueueFull, "GET", 48 * time.Hour, "3600", true},
		{QueueFull, "GET", -1, "5", true},
		{QueueFull, "POST", time.Second, "1", false},
		{Maintenance, "GET", time.Minute, "60", true},
		{OutcomeUnknown, "GET", time.Second, "", false},
		{ServerTimeout, "GET", time.Second, "", false},
		{BodyTooLarge, "POST", time.Second, "", false},
	} {
		p := builtInTable.Render(Answer{Reason: tt.reason, RetryAfter: tt.after}, request(tt.method, "/", "Accept", browserAccept))
		if p.RetryAfter != tt.header {
			t.Errorf("%s: Retry-After %q, want %q", tt.reason, p.RetryAfter, tt.header)
		}
		if got := strings.Contains(string(p.Body), `http-equiv="refresh" content="`+tt.header); got != tt.refresh {
			t.Errorf("%s %s: refresh %v, want %v", tt.method, tt.reason, got, tt.refresh)
		}
		if !tt.refresh && strings.Contains(string(p.Body), "<a ") {
			t.Errorf("%s %s: a link to repeat it", tt.method, tt.reason)
		}
	}
}

func TestRequestIDIsHarmless(t *testing.T) {
	id := `<script>alert("1")</script>` + strings.Repeat("x", 1000) + "\r\n"
	p := builtInTable.Render(Answer{Reason: BadAnswer, RequestID: id}, request("GET", "/", "Accept", browserAccept))
	checkSelfContained(t, p.Body)
	if bytes.Contains(p.Body, bytes.Repeat([]byte("x"), maxShownID)) {
		t.Error("the id is not cut")
	}
	if got := printable("a\r\nb"); got != "a" {
		t.Errorf("printable: %q", got)
	}
}

func TestSend(t *testing.T) {
	for _, method := range []string{"GET", "HEAD"} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Location", "/accounts/login/")
		w.Header().Set("X-Request-Id", "1")
		a := Answer{Reason: QueueFull}
		if err := builtInTable.Render(a, request(method, "/", "Accept", browserAccept)).Send(w); err != nil {
			t.Fatal(err)
		}
		h := w.Header()
		if w.Code != 503 || h.Get("Cache-Control") != "no-store" || h.Get("Retry-After") != "5" ||
			h.Get("Location") != "" || h.Get("Content-Encoding") != "" || h.Get("X-Request-Id") != "1" ||
			h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d, %v", method, w.Code, h)
		}
		if (w.Body.Len() == 0) != (method == "HEAD") {
			t.Errorf("%s: %d bytes of body", method, w.Body.Len())
		}
	}
}

func TestChooseLanguage(t *testing.T) {
	for _, tt := range []struct {
		cookie, accept string
		want           language
	}{
		{"", "", traditionalChinese},
		{"", "zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7", traditionalChinese},
		{"", "zh-CN,zh;q=0.9", simplifiedChinese},
		{"", "zh-Hans-HK", simplifiedChinese},
		{"", "zh-Hant-CN", traditionalChinese},
		{"", "zh-HK", traditionalChinese},
		{"", "zh", traditionalChinese},
		{"", "EN-gb", english},
		{"", "ja-JP", japanese},
		{"", "fr, de;q=0.9", traditionalChinese},
		{"", "fr, ja;q=0.1", japanese},
		{"", "en;q=0.5, ja;q=0.8", japanese},
		{"", "en;q=0.5,ja;q=0.5", english},
		{"", "en;q=0, ja;q=0.001", japanese},
		{"", "en;q=2, ja;q=x, zh-CN;q=0.1", simplifiedChinese},
		{"", "en;q=1e0,ja;q=0.1", japanese},
		{"", "*, en;q=0.5", traditionalChinese},
		{"", "en;level=1,ja;q=0.2", japanese},
		{"", "english", traditionalChinese},
		{"", strings.Repeat("x", 600) + ",en", traditionalChinese},
		{"", "en," + strings.Repeat("x", 1<<20), english},
		{"django_language=ja", "en", japanese},
		{"a=b; django_language=zh-hans; c=d", "en", simplifiedChinese},
		{"django_language=zh-hant", "en", traditionalChinese},
		{"django_language=xx", "en", english},
	} {
		r := request("GET", "/", "Cookie", tt.cookie, "Accept-Language", tt.accept)
		if got := chooseLanguage(r); got != tt.want {
			t.Errorf("cookie %q, accept %.40q: %s, want %s", tt.cookie, tt.accept, got.tag(), tt.want.tag())
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add("GET", "/", browserAccept, "en;q=0.5,ja", "django_language=ja", "id", uint8(0))
	f.Fuzz(func(t *testing.T, method, path, accept, lang, cookies, id string, reason uint8) {
		a := Answer{Reason: Reason(reason), RequestID: id}
		p := builtInTable.Render(a, request(method, path, "Accept", accept, "Accept-Language", lang, "Cookie", cookies))
		if p.Status < 400 || len(p.Body) > 8<<10 || (method == "HEAD") != (p.Body == nil) {
			t.Fatalf("status %d, %d bytes", p.Status, len(p.Body))
		}
		if p.ContentType == "application/json" && p.Body != nil && !json.Valid(p.Body) {
			t.Fatalf("not JSON: %s", p.Body)
		}
	})
}

func BenchmarkRenderJSON(b *testing.B) {
	r := request("POST", "/rest/x", "Accept-Language", "zh-TW,zh;q=0.9,en;q=0.8")
	b.ReportAllocs()
	for b.Loop() {
		builtInTable.Render(Answer{Reason: QueueFull}, r)
	}
}
