package testbed

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/engine"
)

// moved returns a client of another server with the first one's session.
func moved(t *testing.T, from *client.Client, c *Cluster, i int) *client.Client {
	t.Helper()
	to := newClient(t, c, i)
	to.SetCookie("sessionid", from.Cookie("sessionid"))
	to.SetCookie("csrftoken", from.Cookie("csrftoken"))
	return to
}

func TestSessionIsSharedWithSameKeyOnly(t *testing.T) {
	c := newCluster(t, 3, 0)
	other := c.Config(2)
	other.SecretKey = "another"
	if err := c.RestartWith(2, other); err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	second := moved(t, cl, c, 1)
	if a := must(t)(second.Home(t.Context())); a.Code != 200 {
		t.Errorf("home page on the second server: HTTP %d", a.Code)
	}
	if a := must(t)(second.Open(t.Context(), engine.MissionUUID, "moved")); !a.OK() {
		t.Errorf("ticket on the second server: %d %s", a.Status, a.Message)
	}
	third := moved(t, cl, c, 2)
	if a := must(t)(third.Home(t.Context())); !a.LoggedOut() {
		t.Errorf("home page with another key: HTTP %d, want the login page", a.Code)
	}
	// The one-session rule breaks as well: the third server can't see the first
	// session.
	if err := newClient(t, c, 2).SignIn(t.Context(), false); err != nil {
		t.Errorf("sign-in with another key: %v, want it to know nothing of the first", err)
	}
}

func TestOneWebSessionPerUser(t *testing.T) {
	c := newCluster(t, 2, 0)
	first, second := newClient(t, c, 0), newClient(t, c, 1)
	signIn(t, first, false)
	if err := second.SignIn(t.Context(), false); !errors.Is(err, client.ErrElsewhere) {
		t.Fatalf("second sign-in: %v, want %v", err, client.ErrElsewhere)
	}
	if a := must(t)(first.Poll(t.Context())); a.Code != 200 {
		t.Fatalf("the question alone ended the first session: HTTP %d", a.Code)
	}
	signIn(t, second, true)
	a := must(t)(first.Poll(t.Context()))
	if !a.LoggedOut() {
		t.Fatalf("first browser after the second took over: HTTP %d", a.Code)
	}
	if !strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "sessionid=;") {
		t.Errorf("the lost session's cookie was not deleted: %q", a.Header.Values("Set-Cookie"))
	}
	if a := must(t)(second.Poll(t.Context())); a.Code != 200 {
		t.Errorf("second browser: HTTP %d", a.Code)
	}
}

func TestSessionCookie(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	cookie := func(a client.Answer) string {
		for _, v := range a.Header.Values("Set-Cookie") {
			if strings.HasPrefix(v, "sessionid=") {
				return v
			}
		}
		return ""
	}
	if got := cookie(must(t)(cl.Home(t.Context()))); got != "" {
		t.Errorf("the home page renews the session: %q", got)
	}
	a := must(t)(cl.Post(t.Context(), "/api/l-side/load/", map[string]any{"draw_$": 1}))
	for _, want := range []string{"Max-Age=130", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie(a), want) {
			t.Errorf("session cookie %q lacks %s", cookie(a), want)
		}
	}
	if a := must(t)(cl.SignOut(t.Context())); a.Code != 200 || cl.Cookie("sessionid") != "" {
		t.Errorf("after signing out: HTTP %d, cookie %q", a.Code, cl.Cookie("sessionid"))
	}
	if s, err := c.Queries.Sessions(); err != nil || len(s) != 0 {
		t.Errorf("after signing out: %d sessions, %v", len(s), err)
	}
}

func TestAnonymous(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	a := must(t)(cl.Home(t.Context()))
	if a.Code != 302 || a.Header.Get("Location") != "/accounts/login/?next=/" || len(a.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("anonymous home page: HTTP %d to %q, cookies %q", a.Code, a.Header.Get("Location"), a.Header.Values("Set-Cookie"))
	}
	a = must(t)(cl.Get(t.Context(), "/accounts/login/"))
	if a.Code != 200 || len(a.Body) != 47_600 {
		t.Errorf("login page: HTTP %d, %d bytes", a.Code, len(a.Body))
	}
	if v := a.Header.Values("Set-Cookie"); len(v) != 1 || !strings.Contains(v[0], "Max-Age=31449600") || !strings.HasPrefix(v[0], "csrftoken=") {
		t.Errorf("login page sets %q", v)
	}
	bad := clientOf(t, client.Config{URL: c.Servers[0].URL(), User: "admin", Password: "wrong"})
	if err := bad.SignIn(t.Context(), false); !errors.Is(err, client.ErrRefused) || !strings.Contains(err.Error(), "HTTP 200, status 403") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestCSRF(t *testing.T) {
	c := newCluster(t, 1, 0)
	cl := newClient(t, c, 0)
	signIn(t, cl, false)
	token := cl.Cookie("csrftoken")
	for _, tt := range []struct {
		name, cookie string
		code         int
	}{
		{"own token", token, 200},
		{"none", "", 403},
		{"another", strings.Repeat("a", 64), 403},
		{"too short", token[:40], 403},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", c.Servers[0].URL()+"/api/workinfo/load/", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if tt.cookie != "" {
			req.Header.Set("X-CSRFToken", tt.cookie)
		}
		if a := must(t)(cl.Do(req)); a.Code != tt.code {
			t.Errorf("%s: HTTP %d, want %d", tt.name, a.Code, tt.code)
		}
	}
}

func TestTokenIsNotShared(t *testing.T) {
	c := newCluster(t, 2, 0)
	one, two := newClient(t, c, 0), newClient(t, c, 1)
	tok := token(t, one)
	if len(tok) != 36 || token(t, one) != tok {
		t.Errorf("token %q; the same user gets the same 36 characters", tok)
	}
	expect(t, must(t)(two.Create(t.Context(), tok, "mission", "stranger")), 403, "The security code is wrong")
	if n, err := c.Queries.TicketsByTitle("stranger"); err != nil || len(n) != 0 {
		t.Errorf("a refused create left %v, %v", n, err)
	}
	if err := c.Restart(0); err != nil {
		t.Fatal(err)
	}
	expect(t, must(t)(newClient(t, c, 0).Create(t.Context(), tok, "mission", "x")), 403, "The security code is wrong")
}

func TestRESTCallDestroysBrowserSession(t *testing.T) {
	c := newCluster(t, 1, 0)
	browser := newClient(t, c, 0)
	signIn(t, browser, false)
	program := newClient(t, c, 0)
	tok := token(t, program)
	// Without the cookie nothing happens to the browser.
	expect(t, must(t)(program.Create(t.Context(), tok, "mission", "x")), 200, "Create")
	if a := must(t)(browser.Poll(t.Context())); a.Code != 200 {
		t.Fatalf("poll: HTTP %d", a.Code)
	}
	// A refused token signs nobody in, and so nobody out.
	expect(t, must(t)(browser.Create(t.Context(), "wrong", "mission", "x")), 403, "The security code is wrong")
	if a := must(t)(browser.Poll(t.Context())); a.Code != 200 {
		t.Fatalf("poll: HTTP %d", a.Code)
	}
	session := browser.Cookie("sessionid")
	expect(t, must(t)(browser.Create(t.Context(), tok, "mission", "x")), 200, "Create")
	browser.SetCookie("sessionid", session)
	if a := must(t)(browser.Poll(t.Context())); !a.LoggedOut() {
		t.Errorf("poll after a REST call with the browser's cookie: HTTP %d", a.Code)
	}
}
