package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/engine"
)

// statusForbidden is OMFLOW's status for a token that it does not know.
const statusForbidden = 403

// checkToken gets one token and makes many calls with it, eight at a time.
func checkToken(ctx context.Context, d Door) error {
	v := d.strangers() // a program has no session
	defer v.leave()
	c, err := v.client()
	if err != nil {
		return err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return fmt.Errorf("getting a token: %w", err)
	}
	title := newTitle("token")
	const calls = 40
	answers, err := v.together(calls, func(_ int, c *client.Client) (client.Answer, error) {
		return c.Create(ctx, token, "mission", title)
	})
	if err != nil {
		return fmt.Errorf("making calls: %w", err)
	}
	refused := 0
	for _, a := range answers {
		if a.Status == statusForbidden {
			refused++
		}
	}
	if refused > 0 {
		return broken("the token was refused %d times of %d", refused, calls)
	}
	if n := accepted(answers); n != calls {
		return broken("%d of %d calls failed: %s", calls-n, calls, firstRefusal(answers))
	}
	n, err := d.tickets(title)
	if err == nil && n != calls {
		err = broken("%d calls made %d tickets", calls, n)
	}
	return err
}

// checkRESTSession makes a REST call that carries a browser's cookies, as a script in
// a page does.
func checkRESTSession(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	c, err := v.client()
	if err != nil {
		return err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return fmt.Errorf("getting a token: %w", err)
	}
	// Where tokens are refused by the other servers, nothing was executed and the
	// call may be repeated until it meets the right one.
	ok, err := d.wait(ctx, func() (bool, error) {
		a, err := c.Call(ctx, token, "/flowmanage/api/omdata/list/mission/", map[string]any{"start": 0, "limit": 1})
		return a.OK(), err
	})
	if err != nil || !ok {
		return fmt.Errorf("making a call: %w", orSilent(err))
	}
	a, err := c.Home(ctx)
	if err == nil && a.LoggedOut() {
		err = broken("the browser was logged out by a REST call")
	}
	return err
}

// checkChunked sends a create whose length is not known beforehand.
func checkChunked(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	c, err := v.client()
	if err != nil {
		return err
	}
	title := newTitle("chunked")
	body, err := json.Marshal(map[string]any{
		"action": "create", "flow_uuid": engine.MissionUUID, "formdata": client.Form(title),
	})
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	// A reader that is not one of the kinds whose length net/http can tell.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/flowmanage/api/omdata/edit/None/", io.MultiReader(bytes.NewReader(body)))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CSRFToken", c.Cookie("csrftoken"))
	a, err := c.Do(req)
	if err != nil {
		return err
	}
	if !a.OK() {
		return broken("the body did not arrive: status %d, %s", a.Status, a.Message)
	}
	n, err := d.tickets(title)
	if err == nil && n != 1 {
		err = broken("the create made %d tickets", n)
	}
	return err
}

// checkSettingsHole asks for the LDAP settings without signing in.
func checkSettingsHole(ctx context.Context, d Door) error {
	stored, err := d.Truth.Setting("ldap_config")
	if err != nil {
		return fmt.Errorf("reading a setting: %w", err)
	}
	var ldap engine.LDAP
	if err := json.Unmarshal([]byte(stored.Value), &ldap); err != nil || ldap.Password == "" {
		return fmt.Errorf("the database has no LDAP password to look for: %q", stored.Value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+"/accounts/api/agree/get/", strings.NewReader(`{"agree_type":"ldap_config"}`))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	v := d.strangers()
	defer v.leave()
	c, err := v.client()
	if err != nil {
		return err
	}
	a, err := c.Do(req)
	if err == nil && bytes.Contains(a.Body, []byte(ldap.Password)) {
		err = broken("a stranger got the LDAP password")
	}
	return err
}

// checkFilesHole asks for settings.py as a download, written in several ways.
func checkFilesHole(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	for _, path := range []string{
		"../omflow/settings.py", "%2e%2e/omflow/settings.py", "..%2fomflow/settings.py", "x/../../omflow/settings.py",
	} {
		c, err := v.client()
		if err != nil {
			return err
		}
		a, err := c.Get(ctx, "/api/history-files/download/"+path)
		if err != nil {
			return err
		}
		if bytes.Contains(a.Body, []byte("SECRET_KEY")) {
			return broken("settings.py was sent for %s", path)
		}
	}
	return nil
}
