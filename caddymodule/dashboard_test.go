package caddymodule

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
)

// The status page comes before the front door, and the front door gets all else.
func TestDashboard(t *testing.T) {
	b := newBed(t)
	o := newOrigin(t, "s1")
	b.load(b.globals("") + fmt.Sprintf("http://%s {\n\tomflow_dashboard\n\tomflow_booster {\n\t\tprofile none\n\t\tserver %s name=s1\n\t}\n}\n", b.site, o.address))
	b.await(map[string]string{"s1": "up"})

	body, header, err := b.get("/booster/")
	if err != nil || !strings.Contains(body, "OMFLOW Booster") || header.Get("Content-Security-Policy") == "" {
		t.Errorf("the page: %.80q, %v, %v", body, header, err)
	}
	body, _, err = b.get("/booster/status.json")
	var s Status
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	if err != nil || len(s.Servers) != 1 || s.Servers[0].Name != "s1" {
		t.Errorf("its status: %.200q, %v", body, err)
	}
	if body, _, err = b.get("/boosters"); err != nil || !strings.Contains(body, "s1") {
		t.Errorf("what is not the page's: %q, %v", body, err)
	}
}

// A change of the status is told to who watches, and a reload ends the watch.
func TestEvents(t *testing.T) {
	b := newBed(t)
	o := newOrigin(t, "s1")
	block := fmt.Sprintf("profile none\n\t\tserver %s name=s1", o.address)
	b.load(b.alone(block))
	b.await(map[string]string{"s1": "up"})

	ctx, cancel := context.WithTimeout(t.Context(), observe.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.admin+"/omflow/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("Content-Type %q", kind)
	}
	lines := bufio.NewScanner(answer.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var s Status
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Fatalf("%v in %s", err, data)
			}
			if len(s.Servers) == 1 && s.Servers[0].State == want {
				return
			}
		}
		t.Fatalf("no event with state %s: %v", want, lines.Err())
	}
	next("up")
	if err := b.api(http.MethodPost, "/omflow/servers/s1/drain", new(string)); err != nil {
		t.Fatal(err)
	}
	next("draining")

	b.load(b.alone(block + "\n\t\tqueue 10"))
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("a reload did not end the watch in order: %v", err)
	}
}
