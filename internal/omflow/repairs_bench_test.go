package omflow

import (
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/omflow/token"
)

// BenchmarkRepairs is all that is done for one call of the REST API with a body of 1 kB
// beyond passing it on: its lane, the holes, its token and the server's own in its place,
// and the answer's judgement.
func BenchmarkRepairs(b *testing.B) {
	const other = "00000000-1111-2222-3333-444444444444"
	table := DefaultTable()
	head := `{"security":"` + aToken + `","omflow_restapi":true,"action":"create","formdata":[`
	field := `{"id":"FORMITM_1","type":"h_title","value":"Printer on floor 3 is out of paper"},`
	text := head + strings.TrimSuffix(strings.Repeat(field, 12), ",") + `]}`
	answers := map[string][]byte{
		"created":  []byte(`{"status": 200, "message": "\u958b\u55ae\u6210\u529f\u3002", "result": 12345}`),
		"1kB-list": []byte(`{"status": 200, "message": "\u8b80\u53d6\u6210\u529f\u3002", "result": [{"data_id":"` + strings.Repeat("x", 950) + `"}]}`),
	}
	for name, answer := range answers {
		b.Run(name, func(b *testing.B) {
			var broker token.Broker
			now := time.Now()
			broker.Learn(now, 1, "Basic YWRtaW46YWRtaW4=", aToken)
			broker.Learn(now, 2, "Basic YWRtaW46YWRtaW4=", other)
			body := []byte(text)
			r := Request{Method: "POST", Path: restEdit, ContentType: jsonType, BodyComplete: true}
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				r.Body, r.BodyComplete = nil, false
				if res := table.Classify(&r); res.NeedsBody {
					r.Body, r.BodyComplete = body, true
					table.Classify(&r)
				}
				if table.Refuses(&r, "") || !table.DropsCookies(r.Path) {
					b.Fatal("the call is refused, or keeps its cookies")
				}
				at, ok := table.FindToken(body, r.ContentType)
				if !ok {
					b.Fatal("the token is not found")
				}
				login, ok := broker.Lookup(now, body[at:at+token.Length])
				if !ok {
					b.Fatal("the login is not found")
				}
				value, ok := broker.For(now, login, 2)
				if !ok {
					b.Fatal("the server's token is not found")
				}
				copy(body[at:], value)
				if table.TokenRefused(answer) || table.TokenExpired(answer) || table.SilentLoss(&r, 200, answer) {
					b.Fatal("the answer is judged wrongly")
				}
				if table.IsTokenRequest(&r) {
					b.Fatal("the call is taken for a token request")
				}
			}
		})
	}
}
