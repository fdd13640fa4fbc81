package testbed

import (
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCluster starts servers without delays; the first lead ones replay and
// schedule.
func newCluster(t *testing.T, servers, lead int) *Cluster {
	t.Helper()
	return startCluster(t, ClusterConfig{Servers: servers, Lead: lead})
}

func startCluster(t *testing.T, cfg ClusterConfig) *Cluster {
	t.Helper()
	cfg.Dir = t.TempDir()
	c, err := NewCluster(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newClient(t *testing.T, c *Cluster, i int) *client.Client {
	t.Helper()
	return clientOf(t, client.Config{URL: c.Servers[i].URL(), User: "admin", Password: "admin"})
}

func clientOf(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	cl, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// must is the answer of a call that gets one.
func must(t *testing.T) func(client.Answer, error) client.Answer {
	return func(a client.Answer, err error) client.Answer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func token(t *testing.T, cl *client.Client) string {
	t.Helper()
	tok, err := cl.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func signIn(t *testing.T, cl *client.Client, takeOver bool) {
	t.Helper()
	if err := cl.SignIn(t.Context(), takeOver); err != nil {
		t.Fatal(err)
	}
}

// expect checks an answer's status and the start of its message.
func expect(t *testing.T, a client.Answer, status int, message string) {
	t.Helper()
	if a.Code != 200 || a.Status != status || !strings.HasPrefix(a.Message, message) {
		t.Fatalf("HTTP %d, status %d, %q; want HTTP 200, status %d, %q", a.Code, a.Status, a.Message, status, message)
	}
}

// deploy designs a flow and deploys it on the i-th server.
func deploy(t *testing.T, c *Cluster, i int, d database.Design) {
	t.Helper()
	id, err := c.Queries.SaveWorkspace(database.Workspace{Name: d.Name, Flows: []database.Design{d}})
	if err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, c, i)
	a := must(t)(cl.Call(t.Context(), token(t, cl), "/flowmanage/api/flow-workspace-app/deploy/", map[string]any{"w_app_id": id}))
	expect(t, a, 200, "Deploy successfully.")
}

// slowFlow has a background step and then a form.
func slowFlow(work time.Duration) database.Design {
	return database.Design{
		UUID: "00112233445566778899aabbccddeeff", Name: "work", APIPath: "work",
		Steps: []database.Step{{Name: "work", Work: work}, {Name: "check"}},
	}
}

// checkedFlow checks the data of its tickets for longer than a busy machine needs to look
// at them meanwhile.
func checkedFlow() database.Design {
	return database.Design{
		UUID: "ffeeddccbbaa99887766554433221100", Name: "checking", APIPath: "checking", Validation: 2 * time.Second,
		Steps: []database.Step{{Name: "check"}},
	}
}

// rows returns all rows of a ticket.
func rows(t *testing.T, c *Cluster, flow string, number int) []database.Ticket {
	t.Helper()
	page, err := c.Queries.Tickets(database.TicketQuery{Flow: flow, DataNo: number})
	if err != nil {
		t.Fatal(err)
	}
	var list []database.Ticket
	for _, r := range page.Rows {
		list = append(list, r.Ticket)
	}
	return list
}

// open counts the rows of a ticket that wait for a person.
func open(list []database.Ticket) int {
	n := 0
	for _, r := range list {
		if !r.History && !r.Closed && !r.Running {
			n++
		}
	}
	return n
}

func journal(t *testing.T, c *Cluster) int {
	t.Helper()
	q, err := c.Queries.Queue()
	if err != nil {
		t.Fatal(err)
	}
	return len(q)
}

func TestTicketFromStartToEnd(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	a := must(t)(cl.Create(t.Context(), tok, "mission", "first"))
	expect(t, a, 200, "Create data successfully.")
	if n, ok := a.Number(); !ok || n != 1 {
		t.Fatalf("the first ticket's number is %s", a.Result)
	}
	var at []client.OpenRow
	for _, want := range []client.OpenRow{{DataID: 2, Stop: "任務分析"}, {DataID: 3, Stop: "任務處理"}} {
		observe.Eventually(t, "ticket at "+want.Stop, func() bool {
			var err error
			at, err = cl.OpenRows(t.Context(), tok, "mission", 1)
			if err != nil {
				t.Fatal(err)
			}
			return len(at) == 1
		})
		if at[0] != want {
			t.Fatalf("ticket at %v, want %v", at[0], want)
		}
		expect(t, must(t)(cl.Update(t.Context(), tok, "mission", want.DataID)), 200, "Push the data successfully.")
	}
	observe.Eventually(t, "ticket closed and journal empty", func() bool {
		list := rows(t, c, engine.MissionUUID, 1)
		return list[len(list)-1].Closed && journal(t, c) == 0
	})
	// A repeated update does nothing and says so.
	expect(t, must(t)(cl.Update(t.Context(), tok, "mission", 2)), 404, "Omdata_"+engine.MissionUUID+" matching query does not exist.")
	expect(t, must(t)(cl.Delete(t.Context(), tok, "mission", "1")), 200, "Delete successfully.")
	expect(t, must(t)(cl.Delete(t.Context(), tok, "mission", "99")), 200, "Delete successfully.")
	if got := rows(t, c, engine.MissionUUID, 1); len(got) != 0 {
		t.Errorf("%d rows are left of a deleted ticket", len(got))
	}
}

func TestAnswerBytes(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := clientOf(t, client.Config{URL: c.Servers[0].URL(), User: "admin", Password: "admin", Language: "zh-TW"})
	a := must(t)(cl.Create(t.Context(), token(t, cl), "mission", "bytes"))
	const want = `{"status": 200, "message": "\u958b\u55ae\u6210\u529f\u3002", "result": 1}`
	if string(a.Body) != want {
		t.Errorf("answer %s\nwant   %s", a.Body, want)
	}
	if got := a.Header.Get("Content-Length"); got != "73" {
		t.Errorf("Content-Length %s, OMFLOW's is 73", got)
	}
}

func TestLanguages(t *testing.T) {
	c := newCluster(t, 1, 0)
	for language, want := range map[string]string{
		"zh-TW": "安全碼錯誤", "zh-CN": "安全码错误", "en": "The security code is wrong", "ja": "コードが間違っています",
	} {
		cl := clientOf(t, client.Config{URL: c.Servers[0].URL(), Language: language})
		expect(t, must(t)(cl.Create(t.Context(), "no token", "mission", "x")), 403, want)
	}
}

func TestErrorSignatures(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	tok := token(t, cl)
	call := func(path string, params map[string]any) client.Answer {
		return must(t)(cl.Call(t.Context(), tok, path, params))
	}
	expect(t, call("/flowmanage/api/omdata/edit/nothing/", map[string]any{"action": "create"}), 500, "'NoneType' object has no attribute 'api'")
	expect(t, call("/flowmanage/api/omdata/list/nothing/", nil), 404, "Cannot find the flow.")
	expect(t, call("/flowmanage/api/omdata-data-id/get/nothing/", map[string]any{"data_no": 1}), 404, "The query failed.")
	expect(t, call("/no/such/url/", nil), 403, "URL error")
	expect(t, must(t)(cl.Post(t.Context(), "/rest/flowmanage/api/omdata/edit/mission/", map[string]any{"security": tok})), 403, "Missing parameter:omflow_restapi")
	big := map[string]any{"omflow_restapi": true, "security": tok, "x": strings.Repeat("x", 2_700_000)}
	expect(t, must(t)(cl.Post(t.Context(), "/rest/flowmanage/api/omdata/edit/mission/", big)), 403, "Missing parameter:omflow_restapi")

	signIn(t, cl, false)
	expect(t, must(t)(cl.Open(t.Context(), "ffffffffffffffffffffffffffffffff", "x")), 404, "'NoneType' object has no attribute 'is_active'")
	if a := must(t)(cl.Get(t.Context(), "/no/such/page/")); a.Code != 404 {
		t.Errorf("unknown page: HTTP %d", a.Code)
	}
	if a := must(t)(cl.Get(t.Context(), "/accounts/login?next=/x")); a.Code != 301 || a.Header.Get("Location") != "/accounts/login/?next=/x" {
		t.Errorf("without the last slash: HTTP %d to %q", a.Code, a.Header.Get("Location"))
	}
}
