package faults

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// newDesign is a flow of one form that no server has seen.
func newDesign() database.Design {
	name := strings.ToLower(rand.Text())
	uuid := fmt.Sprintf("%x", []byte(rand.Text()))[:32]
	return database.Design{UUID: uuid, Name: name, APIPath: name, Steps: []database.Step{{Name: "form"}}}
}

// deploy imports and deploys a flow, as an application of its name.
func (v *visitors) deploy(ctx context.Context, d database.Design) error {
	a, err := v.post(ctx, "/flowmanage/api/flow-workspace-app/import/", map[string]any{"app_name": d.Name, "flows": []database.Design{d}})
	if err != nil {
		return err
	}
	id, ok := a.Number()
	if !ok {
		return fmt.Errorf("importing an application gave %s", a.Body)
	}
	_, err = v.post(ctx, "/flowmanage/api/flow-workspace-app/deploy/", map[string]any{"w_app_id": id})
	return err
}

// undeploy takes an application away.
func (v *visitors) undeploy(ctx context.Context, app string) error {
	_, err := v.post(ctx, "/flowmanage/api/flow-active-app/undeploy/", map[string]any{"app_name": app})
	return err
}

// checkNewFlow deploys a flow and opens tickets in it at once.
func checkNewFlow(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	design := newDesign()
	if err := v.deploy(ctx, design); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error { return v.undeploy(ctx, design.Name) })
	title := newTitle("new flow")
	answers, err := v.open(ctx, d.crowd(), design.UUID, title)
	if err != nil {
		return err
	}
	if n := accepted(answers); n != len(answers) {
		return broken("%d of %d servers' answers refuse the new flow: %s", len(answers)-n, len(answers), firstRefusal(answers))
	}
	n, err := d.tickets(title)
	if err == nil && n != len(answers) {
		err = broken("%d accepted creates made %d tickets", len(answers), n)
	}
	return err
}

// mission is the flow of that name, as the database has it.
func (d Door) mission() (database.Flow, error) {
	flows, err := d.Truth.Flows()
	if err != nil {
		return database.Flow{}, fmt.Errorf("reading flows: %w", err)
	}
	for _, f := range flows {
		if f.UUID == engine.MissionUUID {
			return f, nil
		}
	}
	return database.Flow{}, fmt.Errorf("flow %s is not in the database", engine.MissionUUID)
}

// setActive enables or disables the flow "mission".
func (v *visitors) setActive(ctx context.Context, active string) error {
	f, err := v.door.mission()
	if err != nil {
		return err
	}
	_, err = v.post(ctx, "/flowmanage/api/flow-active/active/", map[string]any{"id": []int{f.ID}, "active": active})
	return err
}

// checkDisabledFlow disables a flow and tries to open tickets.
func checkDisabledFlow(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	if err := v.setActive(ctx, "inactive"); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error { return v.setActive(ctx, "active") })
	return v.wantNoTickets(ctx, engine.MissionUUID, "disabled")
}

// wantNoTickets tries to open tickets in a flow that takes none.
func (v *visitors) wantNoTickets(ctx context.Context, flow, why string) error {
	title := newTitle(why)
	answers, err := v.open(ctx, v.door.crowd(), flow, title)
	if err != nil {
		return err
	}
	n, err := v.door.tickets(title)
	if err == nil && n+accepted(answers) > 0 {
		err = broken("the flow was %s and took %d tickets", why, n)
	}
	return err
}

// checkUndeployedFlow undeploys a flow and tries to open tickets.
func checkUndeployedFlow(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	const app = "stamp"
	id := 0
	apps, err := d.Truth.Apps()
	if err != nil {
		return fmt.Errorf("reading applications: %w", err)
	}
	for _, a := range apps {
		if a.Name == app {
			id = a.ID
		}
	}
	if err := v.undeploy(ctx, app); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error {
		_, err := v.post(ctx, "/flowmanage/api/flow-active-app/redeploy/", map[string]any{"new_app_id": id, "lside_pid": "custom_1"})
		return err
	})
	return v.wantNoTickets(ctx, engine.StampUUID, "undeployed")
}

// checkFlowSwitches disables a flow and then turns another of its switches over.
func checkFlowSwitches(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	before, err := d.mission()
	if err != nil {
		return err
	}
	turnLog := func(ctx context.Context) error {
		_, err := v.post(ctx, "/flowmanage/api/flow-active/update/", map[string]any{
			"app_name": before.App, "flow_name": before.Name, "field": "flowlog",
		})
		return err
	}
	if err := v.setActive(ctx, "inactive"); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error { return v.setActive(ctx, "active") })
	if err := turnLog(ctx); err != nil {
		return err
	}
	defer undo(ctx, &err, turnLog)
	after, err := d.mission()
	if err == nil && (after.Active || after.Log == before.Log) {
		err = broken("of two changes only one is left: enabled %v, logging %v", after.Active, after.Log)
	}
	return err
}

// sidebar is the menu as a visitor is shown it.
func (v *visitors) sidebar(ctx context.Context) ([]engine.SidebarItem, error) {
	a, err := v.post(ctx, "/api/sidebar-design/load/", nil)
	if err != nil {
		return nil, err
	}
	var shown struct {
		Items []engine.SidebarItem `json:"sidebar_design"`
	}
	if err := json.Unmarshal(a.Result, &shown); err != nil {
		return nil, fmt.Errorf("parsing the menu: %w", err)
	}
	return shown.Items, nil
}

// changeSidebar sends the menu back, changed, as the page does: without the flows.
func (v *visitors) changeSidebar(ctx context.Context, change func([]engine.SidebarItem) []engine.SidebarItem) error {
	items, err := v.sidebar(ctx)
	if err != nil {
		return err
	}
	var send []engine.SidebarItem
	for _, i := range items {
		if !strings.HasPrefix(i.ID, "formflow") {
			send = append(send, i)
		}
	}
	text, err := json.Marshal(change(send))
	if err != nil {
		return fmt.Errorf("encoding the menu: %w", err)
	}
	_, err = v.post(ctx, "/api/sidebar-design/update/", map[string]any{"format": string(text)})
	return err
}

// checkSidebar adds two folders to the menu, one after the other.
func checkSidebar(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	ids := []string{"custom_8001", "custom_8002"}
	defer undo(ctx, &err, func(ctx context.Context) error {
		return v.changeSidebar(ctx, func(items []engine.SidebarItem) (kept []engine.SidebarItem) {
			for _, i := range items {
				if i.ID != ids[0] && i.ID != ids[1] {
					kept = append(kept, i)
				}
			}
			return kept
		})
	})
	for _, id := range ids {
		if err := v.changeSidebar(ctx, func(items []engine.SidebarItem) []engine.SidebarItem {
			return append(items, engine.SidebarItem{ID: id, Name: id, FlowUUID: "custom", Icon: "folder"})
		}); err != nil {
			return err
		}
	}
	stored, err := d.Truth.Setting("sidebar_design")
	if err != nil {
		return fmt.Errorf("reading the menu: %w", err)
	}
	for _, id := range ids {
		if !strings.Contains(stored.Value, id) {
			return broken("the folder %s is not in the menu, which had a change of another's after it or before it", id)
		}
	}
	return nil
}

// checkParameter changes a parameter and lets flows use it.
func checkParameter(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	id := 0
	all, err := d.Truth.Parameters()
	if err != nil {
		return fmt.Errorf("reading parameters: %w", err)
	}
	for _, p := range all {
		if p.Name == engine.StampParameter {
			id = p.ID
		}
	}
	set := func(ctx context.Context, value string) error {
		_, err := v.post(ctx, "/flowmanage/api/omparameter/update/", map[string]any{"id": id, "name": engine.StampParameter, "value": value})
		return err
	}
	value := rand.Text()
	if err := set(ctx, value); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error { return set(ctx, engine.StampValue) })
	title := newTitle("parameter")
	answers, err := v.open(ctx, d.crowd(), engine.StampUUID, title)
	if err != nil {
		return err
	}
	if n := accepted(answers); n != len(answers) {
		return fmt.Errorf("only %d of %d creates were accepted: %s", n, len(answers), firstRefusal(answers))
	}
	waiting, err := d.waitForForms(ctx, engine.StampUUID, title, len(answers))
	if err != nil {
		return err
	}
	for _, t := range waiting {
		if t.Status != value {
			return broken("ticket %d has %q of the parameter, which is %q", t.DataNo, t.Status, value)
		}
	}
	return nil
}

// waitForForms waits until so many rows of tickets of a title wait for a person, and
// returns them.
func (d Door) waitForForms(ctx context.Context, flow, title string, n int) ([]database.Ticket, error) {
	var waiting []database.Ticket
	ok, err := d.wait(ctx, func() (bool, error) {
		var err error
		waiting, _, err = d.openRows(flow, title)
		return len(waiting) >= n, err
	})
	if err == nil && !ok {
		err = broken("only %d of %d tickets reached their form", len(waiting), n)
	}
	return waiting, err
}

// openRows returns the rows of tickets of a title that wait for a person, and how
// many are still running.
func (d Door) openRows(flow, title string) (waiting []database.Ticket, running int, err error) {
	page, err := d.Truth.Tickets(database.TicketQuery{Flow: flow, TitlePrefix: title, Open: true, Limit: 10_000})
	if err != nil {
		return nil, 0, fmt.Errorf("reading tickets: %w", err)
	}
	for _, r := range page.Rows {
		if r.Ticket.Running {
			running++
		} else {
			waiting = append(waiting, r.Ticket)
		}
	}
	return waiting, running, nil
}

// numbered counts the answers with a ticket's number.
func numbered(answers []client.Answer) int {
	n := 0
	for _, a := range answers {
		if _, ok := a.Number(); ok {
			n++
		}
	}
	return n
}
