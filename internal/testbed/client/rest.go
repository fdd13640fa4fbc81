package client

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
)

// Token fetches the user's REST token.
func (c *Client) Token(ctx context.Context) (string, error) {
	a, err := c.credentials(ctx, "/accounts/api/security/get/")
	if err != nil {
		return "", err
	}
	var result struct {
		Security string `json:"security"`
	}
	if !a.OK() || json.Unmarshal(a.Result, &result) != nil || result.Security == "" {
		return "", fmt.Errorf("%w: HTTP %d, status %d: %s", ErrRefused, a.Code, a.Status, a.Message)
	}
	return result.Security, nil
}

// Call makes a REST call: path is that of the page's URL, without /rest.
func (c *Client) Call(ctx context.Context, token, path string, params map[string]any) (Answer, error) {
	body := map[string]any{"security": token, "omflow_restapi": true}
	maps.Copy(body, params)
	return c.Post(ctx, "/rest"+path, body)
}

// Create opens a ticket with a REST token. flow is its name in the API, such as
// mission.
func (c *Client) Create(ctx context.Context, token, flow, title string) (Answer, error) {
	return c.Call(ctx, token, "/flowmanage/api/omdata/edit/"+flow+"/", map[string]any{
		"action": "create", "formdata": Form(title),
	})
}

// Update pushes a ticket's row on with a REST token.
func (c *Client) Update(ctx context.Context, token, flow string, dataID int) (Answer, error) {
	return c.Call(ctx, token, "/flowmanage/api/omdata/edit/"+flow+"/", map[string]any{
		"action": "update", "data_id": dataID, "formdata": []Field{},
	})
}

// Delete removes tickets with a REST token.
func (c *Client) Delete(ctx context.Context, token, flow string, numbers ...string) (Answer, error) {
	return c.Call(ctx, token, "/flowmanage/api/omdata/edit/"+flow+"/", map[string]any{
		"action": "delete", "data_no": numbers,
	})
}

// List lists a flow's rows with a REST token, up to the row end, by ID.
func (c *Client) List(ctx context.Context, token, flow string, end int) (Answer, error) {
	return c.Call(ctx, token, "/flowmanage/api/omdata/list/"+flow+"/", map[string]any{
		"search_columns": []string{"id", "data_no", "title", "running", "history"}, "search_conditions": []any{},
		"order_columns": []string{"id"}, "start": 0, "limit": end,
	})
}

// OpenRow is a row of a ticket that waits for a person.
type OpenRow struct {
	DataID int    `json:"data_id"`
	Stop   string `json:"stop_chart_text"`
}

// OpenRows returns where a ticket stands.
func (c *Client) OpenRows(ctx context.Context, token, flow string, number int) ([]OpenRow, error) {
	a, err := c.Call(ctx, token, "/flowmanage/api/omdata-data-id/get/"+flow+"/", map[string]any{"data_no": number})
	if err != nil {
		return nil, err
	}
	if !a.OK() {
		return nil, fmt.Errorf("asking for a ticket's rows: status %d: %s", a.Status, a.Message)
	}
	var rows []OpenRow
	if err := json.Unmarshal(a.Result, &rows); err != nil {
		return nil, fmt.Errorf("parsing a ticket's rows: %w", err)
	}
	return rows, nil
}

// Ready asks for health as checks do: whether the server and its database are
// there. The answer counts, not its HTTP code.
func (c *Client) Ready(ctx context.Context) (bool, error) {
	a, err := c.getBody(ctx, "/accounts/api/agree/get/", `{"agree_type":"pool_max_worker"}`)
	return err == nil && a.OK(), err
}
