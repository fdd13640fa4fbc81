package front

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout/owners"
)

const (
	ownerFlow = "7d0c62f2f4a94f6d8e6a5b1c2d3e4f50"
	editUUID  = "/flowmanage/api/omdata/edit/None/"
)

// ownedBy has a book kept, and a directory with the flow "mission".
func ownedBy(book *owners.Book) func(*setup) {
	directory := flows.Build([]flows.Source{{UUID: ownerFlow, App: "mission", Name: "mission", APIPath: "mission"}}, false)
	return func(set *setup) {
		inOrder(set)
		lead(1)(set)
		set.front.Owners, set.front.Flows = book, func() *flows.Directory { return directory }
	}
}

// claimed is what a book says of a ticket, and of one of another number and row of the
// same flow.
func claimed(book *owners.Book, no, row int64) string { return claimedAt(book, time.Now(), no, row) }

func claimedAt(book *owners.Book, now time.Time, no, row int64) string {
	var texts []string
	for i, claims := range book.Claims(now, []owners.Ticket{{Flow: ownerFlow, No: no, Row: row}, {Flow: ownerFlow, No: 99, Row: 99}}, func(string) string { return "" }) {
		for _, c := range claims {
			text := c.Server
			if c.Perhaps {
				text += "?"
			}
			if i > 0 {
				text += " of others"
			}
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// A request whose answer says that a ticket goes on is noted, and no other is.
func TestOwnersAreNoted(t *testing.T) {
	done := `{"status": 200, "message": "", "result": 5}`
	formType, formBody := form(t, "flow_uuid", ownerFlow, "action", "update", "data_id", "17")
	for _, tt := range []struct {
		name, path, contentType, body, answer string
		want                                  string
	}{
		{"a create", createURL, "", createBody, done, "s1"},
		{"by its UUID", editUUID, "", `{"action":"create","flow_uuid":"` + ownerFlow + `"}`, done, "s1"},
		{"a push", createURL, "", `{"action":"update","data_id":17}`, done, "s1"},
		{"a push of another row", createURL, "", `{"action":"update","data_id":16}`, done, "s1"},
		{"a page's push", editUUID, "", `{"action":"update","data_id":"17","flow_uuid":"` + ownerFlow + `"}`, done, "s1"},
		{"without a number", createURL, "", `{"action":"update","data_id":17}`, `{"status": 200, "message": "", "result": null}`, "s1"},
		{"a deletion", createURL, "", `{"action":"delete","data_no":["5"]}`, done, ""},
		{"refused", createURL, "", createBody, `{"status": 404, "message": "", "result": null}`, ""},
		{"the flow engine fails", createURL, "", createBody, `{"status": 404, "message": "開單失敗：該流程沒有已部署的版本", "result": null}`, "s1?, s1? of others"},
		{"it fails on a push", createURL, "", `{"action":"update","data_id":17}`, `{"status": 404, "message": "推單失敗：", "result": null}`, "s1?"},
		{"a create without a number", createURL, "", createBody, `{"status": 200, "message": "開單成功。", "result": null}`, "s1?, s1? of others"},
		{"another flow's UUID", editUUID, "", `{"action":"create","flow_uuid":"` + strings.Repeat("0", 32) + `"}`, done, ""},
		{"an unknown path", strings.Replace(createURL, "mission", "other", 1), "", createBody, done, "s1?"},
		{"by names", editUUID, "", `{"action":"create","app_name":"mission","flow_name":"mission"}`, done, "s1?"},
		{"a form", editUUID, formType, formBody, done, "s1"},
		{"no answer of OMFLOW's", createURL, "", createBody, "<html>", "s1?, s1? of others"},
		{"to the login page", createURL, "", createBody, "HTTP/1.1 302 Found\r\nLocation: /accounts/login/\r\nContent-Length: 0\r\n\r\n", ""},
		{"without a CSRF token", createURL, "", createBody, "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\n<html>", ""},
		{"an error of the server's", createURL, "", createBody, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\n<html>", "s1?, s1? of others"},
		{"a service request", "/service/api/request/", "", `{}`, `{"status": 200, "message": "", "result": null}`, ""},
		{"a value is repaired", "/flowmanage/api/flow-value/update/", "", `{"data_no":5,"data_id":17,"flow_uuid":"` + ownerFlow + `"}`, done, "s1"},
		{"a read", readURL, "", `{"data_no":5,"data_id":17,"flow_uuid":"` + ownerFlow + `"}`, done, ""},
	} {
		book, answer := owners.New(), tt.answer
		if !strings.HasPrefix(answer, "HTTP/") {
			answer = ok(answer)
		}
		s := open(t, []string{serve(t, answers(answer)).addr}, ownedBy(book))
		s.post(tt.path, tt.body, "Content-Type", tt.contentType)
		if got := claimed(book, 5, 17); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		// An answer that tells nothing is the request's end all the same.
		later := tt.want
		if strings.Contains(later, "of others") || strings.Contains(tt.answer, "推單失敗：") {
			later = ""
		}
		if got := claimedAt(book, time.Now().Add(owners.EndedTime+time.Second), 5, 17); got != later {
			t.Errorf("%s, long ago: %q, want %q", tt.name, got, later)
		}
	}
}

// While a request is on its way, or when it broke off, its server may have the ticket; one
// that was never sent says nothing.
func TestOwnersWithoutAnAnswer(t *testing.T) {
	book := owners.New()
	release, push := make(chan struct{}), `{"action":"update","data_id":17}`
	up := serve(t, func(p *peer) {
		p.request()
		<-release
		p.send(ok(`{"status": 200, "message": "", "result": 5}`))
		p.request() // and it dies
	})
	s := open(t, []string{refused(t), up.addr}, func(set *setup) {
		ownedBy(book)(set)
		set.front.Attempts = 2
	})
	_, answered := s.start(s.request("POST", createURL, strings.NewReader(push)))
	s.eventually("the server has it", func() bool { return len(up.requests()) == 1 })
	if got := claimed(book, 5, 17); got != "s2?" {
		t.Errorf("on its way: %q", got)
	}
	close(release)
	if err := within(t, answered, "an answer"); err != nil {
		t.Fatal(err)
	}
	if got := claimed(book, 5, 17); got != "s2" {
		t.Errorf("answered: %q", got)
	}
	s.post(createURL, createBody)
	if got := claimed(book, 6, 18); got != "s2?, s2? of others" {
		t.Errorf("broken off: %q", got)
	}
	if got := claimedAt(book, time.Now().Add(owners.EndedTime+time.Second), 6, 18); got != "" {
		t.Errorf("broken off long ago: %q", got)
	}
}

// One whose client has gone, or that takes too long, is on its way until its server has
// answered.
func TestOwnersOfAbandonedRequests(t *testing.T) {
	book := owners.New()
	release := make(chan struct{})
	up := serve(t, func(p *peer) {
		p.request()
		<-release
		p.send(ok(`{"status": 200, "message": "", "result": 5}`))
	})
	s := open(t, []string{up.addr}, ownedBy(book))
	cancel, gone := s.start(s.request("POST", createURL, strings.NewReader(createBody)))
	s.eventually("the server has it", func() bool { return len(up.requests()) == 1 })
	cancel()
	<-gone
	s.trace(1)
	later := time.Now().Add(owners.EndedTime + time.Minute)
	if got := claimedAt(book, later, 6, 18); got != "s1?, s1? of others" {
		t.Errorf("while the server works: %q", got)
	}
	close(release)
	s.eventually("the request has ended", func() bool { return claimedAt(book, later, 6, 18) == "" })
	if got := claimed(book, 6, 18); got != "s1?, s1? of others" {
		t.Errorf("just ended: %q", got)
	}
}

// A call that was sent again, since its token was another server's, was not carried out by
// the first one.
func TestOwnersAndRefusedTokens(t *testing.T) {
	book := owners.New()
	s, cluster := openRest(t, nil)
	s.front.cfg.Owners = book
	value := tokenOf(t, s)
	opened, _ := bulk(t, s, value, "owned", 30)
	claims := make(map[string]int)
	rows, err := cluster.Queries.TicketsByTitle("owned")
	if err != nil {
		t.Fatal(err)
	}
	var tickets []owners.Ticket
	for no := range opened {
		tickets = append(tickets, owners.Ticket{Flow: ownerFlow, No: no + 1, Row: 1000 + no})
	}
	for _, all := range book.Claims(time.Now(), tickets, func(string) string { return ownerFlow }) {
		if len(all) != 1 || all[0].Perhaps {
			t.Fatalf("claims %v; tickets %v", all, rows)
		}
		claims[all[0].Server]++
	}
	if len(claims) == 0 {
		t.Error("no ticket was opened")
	}
	if got := claimed(book, 9999, 9999); got != "" {
		t.Errorf("a call that was refused may still be carried out by %s", got)
	}
}
