package omflow

import "testing"

func TestTicketFields(t *testing.T) {
	table := DefaultTable()
	for _, tt := range []struct {
		body string
		want TicketFields
		flow string
		name string // of application and flow, if both are named
		ok   bool
	}{
		{`{"action":"create","flow_uuid":"abc","formdata":[{"data_id":3}]}`, TicketFields{Creates: true}, "abc", "", true},
		{`{"action":"update","data_id":17,"data_no":5}`, TicketFields{Row: 17, No: 5}, "", "", true},
		{`{"action":"update","data_id":"17","data_no":"5"}`, TicketFields{Row: 17, No: 5}, "", "", true},
		{`{"action":"create","action":"update","data_id":1,"data_id":2}`, TicketFields{Row: 2}, "", "", true},
		{`{"action":"update","action":"create"}`, TicketFields{Creates: true}, "", "", true},
		{`{"app_name":"a","flow_name":"b","flow_uuid":"c"}`, TicketFields{}, "c", "a b", true},
		{`{"app_name":"a","flow_name":""}`, TicketFields{}, "", "", true},
		{`{"data_id":1.5,"data_no":-1}`, TicketFields{}, "", "", true},
		{`{"data_id":[1],"data_no":null}`, TicketFields{}, "", "", true},
		{`{"data_id":9999999999999999999}`, TicketFields{}, "", "", true},
		{`action=update&data_id=17`, TicketFields{}, "", "", false},
		{`{"data_id":17`, TicketFields{Row: 17}, "", "", false},
		{"{\"data_id\":17,\"x\":\"\xff\"}", TicketFields{Row: 17}, "", "", false},
		{``, TicketFields{}, "", "", false},
	} {
		got, ok := table.TicketFields([]byte(tt.body))
		name := ""
		if got.ByNames() {
			name = string(got.App) + " " + string(got.Name)
		}
		flow := string(got.UUID)
		if ok != tt.ok || ok && (flow != tt.flow || name != tt.name || got.Creates != tt.want.Creates || got.No != tt.want.No || got.Row != tt.want.Row) {
			t.Errorf("%s: %+v of %q, %v", tt.body, got, flow, ok)
		}
	}
}

func TestTicketAnswer(t *testing.T) {
	for _, tt := range []struct {
		body    string
		no      int64
		outcome TicketOutcome
	}{
		{`{"status": 200, "message": "開單成功。", "result": 12}`, 12, TicketDone},
		{`{"status": 200, "message": "", "result": null}`, 0, TicketDone},
		{`{"status": 200, "message": "開單失敗：", "result": 12}`, 12, TicketDone},
		{`{"status": 404, "message": "", "result": 12}`, 0, TicketRefused},
		{`{"status": 404, "message": "該流程目前為停用狀態。", "result": null}`, 0, TicketRefused},
		{`{"status": 404, "message": "開單失敗", "result": null}`, 0, TicketRefused},
		{`{"status": 404, "message": "開單失敗：該流程沒有已部署的版本", "result": null}`, 0, TicketFailed},
		{`{"status": 404, "message": "\u63a8\u55ae\u5931\u6557\uff1a", "result": null}`, 0, TicketFailed},
		{`{"status": 404, "message": "Failed to push data:x", "result": null}`, 0, TicketFailed},
		{`{"message": "", "result": 12}`, 0, TicketUnclear},
		{`<html>`, 0, TicketUnclear},
		{``, 0, TicketUnclear},
	} {
		if no, outcome := DefaultTable().TicketAnswer([]byte(tt.body)); no != tt.no || outcome != tt.outcome {
			t.Errorf("%s: %d, %d", tt.body, no, outcome)
		}
	}
}

func FuzzTicketFields(f *testing.F) {
	f.Add([]byte(`{"action":"update","data_id":"17","flow_uuid":"7d0c62f2f4a94f6d8e6a5b1c2d3e4f50"}`))
	table := DefaultTable()
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, _ := table.TicketFields(body); got.No < 0 || got.Row < 0 {
			t.Errorf("%+v", got)
		}
		if no, outcome := table.TicketAnswer(body); no < 0 || no > 0 && outcome != TicketDone {
			t.Errorf("%d, %d", no, outcome)
		}
	})
}
