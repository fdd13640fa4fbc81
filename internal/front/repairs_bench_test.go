package front

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/omflow/profile"
	"github.com/omflow/booster/internal/omflow/token"
	"github.com/omflow/booster/internal/proxy"
	"github.com/omflow/booster/internal/rollout/owners"
)

// BenchmarkREST is a call of the REST API with a body and an answer of 1 kB each, with
// all repairs and a token that is replaced, with none, and as a plain balancer passes it
// on. The differences are what the repairs cost; see also BenchmarkRepairs of package
// omflow, which has no network in it.
func BenchmarkREST(b *testing.B) {
	const issued, own = "0b7f7f0e-5a0e-4f0c-9f55-2b6c0c1f7c11", "11111111-2222-3333-4444-555555555555"
	without := profile.Default()
	without.Repairs = profile.Repairs{}
	bare, err := omflow.NewTable(without)
	if err != nil {
		b.Fatal(err)
	}
	head := `{"security":"` + issued + `","omflow_restapi":true,"action":"create","formdata":[`
	call := head + strings.TrimSuffix(strings.Repeat(`{"id":"FORMITM_1","type":"h_title","value":"t"},`, 19), ",") + "]}"
	answer := `{"status": 200, "message": "\u958b\u55ae\u6210\u529f\u3002", "result": "`
	answer += strings.Repeat("1", 1024-len(answer)-2) + `"}`
	for _, bb := range []struct {
		name  string
		table *omflow.Table
		plain bool
	}{{"repaired", omflow.DefaultTable(), false}, {"unrepaired", bare, false}, {"plain", omflow.PlainTable(), true}} {
		b.Run(bb.name, func(b *testing.B) {
			var broker token.Broker
			s := open(b, []string{serveAnswer(b, "application/json", answer)}, func(set *setup) {
				set.front.Table, set.front.Plain = bb.table, bb.plain
				if !bb.plain {
					set.front.Tokens = &broker
				}
			})
			r := httptest.NewRequest("POST", "http://omflow.example"+createURL, nil)
			r.Header.Set("Content-Type", "application/json")
			r.ContentLength = int64(len(call))
			ctx, cancel := context.WithCancel(context.Background()) // as net/http's has an end
			defer cancel()
			changed := true
			learned := time.Time{}
			bench(b, r.WithContext(ctx), func(w http.ResponseWriter, r *http.Request) {
				if now := time.Now(); now.Sub(learned) > time.Minute {
					broker.Learn(now, balance.IDOf("other"), "Basic YWRtaW46YWRtaW4=", issued)
					broker.Learn(now, balance.IDOf("s1"), "Basic YWRtaW46YWRtaW4=", own)
					learned = now
				}
				r.Body = io.NopCloser(strings.NewReader(call))
				var trace Trace
				s.front.Serve(w, r, Client{}, &trace)
				changed = changed && trace.TokenChanged
			})
			if changed != (bb.name == "repaired") {
				b.Errorf("the token was changed each time: %v", changed)
			}
		})
	}
}

// BenchmarkTickets is what a call of 1 kB has on top, beside BenchmarkREST, when its ticket
// is noted, and when some flow pauses, and it names its own in the body.
func BenchmarkTickets(b *testing.B) {
	body := `{"security":"0b7f7f0e-5a0e-4f0c-9f55-2b6c0c1f7c11","omflow_restapi":true,"flow_uuid":"` + plainUUID + `","action":"create","formdata":[` +
		strings.TrimSuffix(strings.Repeat(`{"id":"FORMITM_1","type":"h_title","value":"t"},`, 19), ",") + "]}"
	answer := []byte(`{"status": 200, "message": "\u958b\u55ae\u6210\u529f\u3002", "result": 12}`)
	for name, directory := range map[string]*flows.Directory{"noted": nil, "noted, and some pause": someFlows()} {
		b.Run(name, func(b *testing.B) {
			s := open(b, []string{serveTrivial(b)}, func(set *setup) {
				set.front.Owners, set.front.Flows = owners.New(), func() *flows.Directory { return directory }
			})
			whole, err := proxy.ReadBody(strings.NewReader(body), int64(len(body)), 0, "")
			if err != nil {
				b.Fatal(err)
			}
			defer whole.Close()
			server := &balance.Server{}
			b.ReportAllocs()
			for b.Loop() {
				x := &passage{f: s.front, work: true, body: whole}
				x.view.Path, x.view.ContentType = editUUID, "application/json"
				x.view.Body, _ = whole.Look(omflow.MaxBodyLook)
				x.view.BodyComplete = true
				if x.pauses() {
					b.Fatal("it may pause")
				}
				x.noteSent(server)
				x.noteAnswer(200, answer)
			}
		})
	}
}
