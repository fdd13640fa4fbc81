package engine

import (
	"fmt"
	"path"
	"path/filepath"

	"github.com/omflow/booster/internal/testbed/database"
)

// SetActive enables or disables flows by their IDs, in the database and in this
// process. What it knows of those flows it reads again from the database.
func (e *Engine) SetActive(ids []int, active bool) error {
	all, err := e.db.Flows()
	if err != nil {
		return fmt.Errorf("reading deployed flows: %w", err)
	}
	want := map[int]bool{}
	for _, id := range ids {
		want[id] = true
	}
	for _, f := range all {
		if !want[f.ID] {
			continue
		}
		f.Active = active
		if err := e.saveFlow(f); err != nil {
			return err
		}
	}
	return nil
}

// UpdateFlow turns one of a flow's switches over, "is_active", "api" or "flowlog",
// or sets its "display_field". It does so to what this process has in memory and
// writes the whole row from there: what another process changed is undone.
func (e *Engine) UpdateFlow(app, flow, field, display string) error {
	f, ok := e.flowByName(app, flow)
	if !ok {
		return Refusal("找不到該流程。")
	}
	switch field {
	case "is_active":
		f.Active = !f.Active
	case "api":
		f.API = !f.API
	case "flowlog":
		f.Log = !f.Log
	case "display_field":
		f.DisplayField = display
	}
	return e.saveFlow(f)
}

func (e *Engine) flowByName(app, flow string) (database.Flow, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.flows {
		if f.App == app && f.Name == flow {
			return f, true
		}
	}
	return database.Flow{}, false
}

// Undeploy takes an application away, by its name or else its ID: its flows from
// this process's memory and disk, its entries from the sidebar, its schedules. The
// other processes go on with all of it.
func (e *Engine) Undeploy(id int, name string) error {
	app, err := e.app(func(a database.App) bool {
		if name != "" {
			return a.Name == name && !a.Undeployed
		}
		return a.ID == id
	})
	if err != nil {
		return err
	}
	app.Undeployed = true
	if app, err = e.db.SaveApp(app); err != nil {
		return fmt.Errorf("saving a deployed application: %w", err)
	}
	flows, err := e.flowsOf(app.ID)
	if err != nil {
		return err
	}
	for _, f := range flows {
		e.mu.Lock()
		delete(e.flows, f.UUID)
		e.mu.Unlock()
		f.Undeployed = true
		if _, err := e.db.SaveFlow(f); err != nil {
			return fmt.Errorf("saving a deployed flow: %w", err)
		}
		if err := e.home.RemoveAll(filepath.FromSlash(path.Join(productionDir, f.UUID))); err != nil {
			return fmt.Errorf("removing a flow's code: %w", err)
		}
	}
	if err := e.removeFromSidebar(app); err != nil {
		return err
	}
	return e.deleteSchedulesOf(flows)
}

// Redeploy brings an application back that was undeployed.
func (e *Engine) Redeploy(id int, parent string) error {
	app, err := e.app(func(a database.App) bool { return a.ID == id })
	if err != nil {
		return err
	}
	app.Undeployed = false
	if app, err = e.db.SaveApp(app); err != nil {
		return fmt.Errorf("saving a deployed application: %w", err)
	}
	flows, err := e.flowsOf(app.ID)
	if err != nil {
		return err
	}
	designs := make([]database.Design, 0, len(flows))
	for _, f := range flows {
		f.Undeployed = false
		if err := e.saveFlow(f); err != nil {
			return err
		}
		if err := writeCode(e.home, f.UUID, f.Version, f.Steps); err != nil {
			return err
		}
		designs = append(designs, database.Design{UUID: f.UUID, Name: f.Name})
	}
	return e.addToSidebar(app, designs, parent)
}

func (e *Engine) app(wanted func(database.App) bool) (database.App, error) {
	apps, err := e.db.Apps()
	if err != nil {
		return database.App{}, fmt.Errorf("reading deployed applications: %w", err)
	}
	for _, a := range apps {
		if wanted(a) {
			return a, nil
		}
	}
	return database.App{}, Refusal("找不到該應用流程。")
}

// flowsOf returns an application's flows as the database has them.
func (e *Engine) flowsOf(app int) ([]database.Flow, error) {
	all, err := e.db.Flows()
	if err != nil {
		return nil, fmt.Errorf("reading deployed flows: %w", err)
	}
	var list []database.Flow
	for _, f := range all {
		if f.AppID == app {
			list = append(list, f)
		}
	}
	return list, nil
}
