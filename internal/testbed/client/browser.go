package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// ErrElsewhere is returned when the user is signed in at another browser.
var ErrElsewhere = errors.New("user is signed in elsewhere")

// ErrRefused is wrapped when OMFLOW refuses to sign in or to give a token.
var ErrRefused = errors.New("sign-in refused")

// SignIn opens the login page and signs in as it does. When the user is signed
// in elsewhere it takes over, or returns [ErrElsewhere].
func (c *Client) SignIn(ctx context.Context, takeOver bool) error {
	a, err := c.Get(ctx, "/accounts/login/")
	if err != nil {
		return err
	}
	if a.Code != http.StatusOK {
		return fmt.Errorf("opening the login page: HTTP %d", a.Code)
	}
	a, err = c.credentials(ctx, "/accounts/api/multiple-login/check/")
	if err != nil {
		return err
	}
	var elsewhere bool
	if a.OK() && json.Unmarshal(a.Result, &elsewhere) == nil && elsewhere {
		if !takeOver {
			return ErrElsewhere
		}
		if a, err = c.credentials(ctx, "/accounts/api/login/"); err != nil {
			return err
		}
	}
	if !a.OK() {
		return fmt.Errorf("%w: HTTP %d, status %d: %s", ErrRefused, a.Code, a.Status, a.Message)
	}
	return nil
}

// credentials posts nothing but the Basic Authorization header.
func (c *Client) credentials(ctx context.Context, path string) (Answer, error) {
	req, err := c.request(ctx, http.MethodPost, path, nil)
	if err != nil {
		return Answer{}, err
	}
	req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	return c.Do(req)
}

// SignOut ends the session.
func (c *Client) SignOut(ctx context.Context) (Answer, error) {
	return c.Get(ctx, "/accounts/logout/")
}

// Home opens the home page.
func (c *Client) Home(ctx context.Context) (Answer, error) { return c.Get(ctx, "/") }

// Poll makes the page's two polls; the first keeps the session alive. It returns
// the answer of the one that went wrong, or of the second.
func (c *Client) Poll(ctx context.Context) (Answer, error) {
	a, err := c.Post(ctx, "/api/l-side/load/", map[string]any{"draw_$": 1})
	if err != nil || a.Code != http.StatusOK {
		return a, err
	}
	return c.Post(ctx, "/api/workinfo/load/", map[string]any{})
}

// Field is one field of a ticket's form.
type Field struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// Form is the form of the flow "mission", and of every flow that a stand-in
// comes with.
func Form(title string) []Field {
	return []Field{
		{"FORMITM_1", "h_title", title},
		{"FORMITM_2", "areabox", "opened by a program"},
		{"FORMITM_3", "h_level", "green"},
		{"FORMITM_4", "h_status", "dispatch"},
		{"FORMITM_5", "h_group", map[string]string{"group": "2", "user": ""}},
	}
}

// editPath is where the page creates and updates: it names the flow in the body
// and None in the path.
const editPath = "/flowmanage/api/omdata/edit/None/"

// Open opens a ticket as the page does.
func (c *Client) Open(ctx context.Context, flowUUID, title string) (Answer, error) {
	return c.Post(ctx, editPath, map[string]any{
		"action": "create", "flow_uuid": flowUUID, "formdata": Form(title),
	})
}

// OpenWithFiles opens a ticket with attachments as the page does.
func (c *Client) OpenWithFiles(ctx context.Context, flowUUID, title string, files ...File) (Answer, error) {
	form, err := json.Marshal(Form(title))
	if err != nil {
		return Answer{}, fmt.Errorf("encoding the form: %w", err)
	}
	return c.PostFiles(ctx, editPath, map[string]string{
		"action": "create", "flow_uuid": flowUUID, "formdata": string(form),
	}, files...)
}

// Push pushes a ticket on as the page does.
func (c *Client) Push(ctx context.Context, flowUUID string, dataID int) (Answer, error) {
	return c.Post(ctx, editPath, map[string]any{
		"action": "update", "flow_uuid": flowUUID, "data_id": dataID, "formdata": []Field{},
	})
}
