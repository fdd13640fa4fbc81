package engine

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"strings"

	"github.com/omflow/booster/internal/testbed/database"
)

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// maxSteps and maxFlows bound a design, which comes from a client.
const (
	maxFlows = 100
	maxSteps = 100
)

// Import saves a designed application and returns its ID, which Deploy takes.
func (e *Engine) Import(w database.Workspace) (int, error) {
	if w.Name == "" || len(w.Flows) == 0 || len(w.Flows) > maxFlows {
		return 0, Refusal("請提供正確的應用。")
	}
	for _, d := range w.Flows {
		if !uuidPattern.MatchString(d.UUID) || d.Name == "" || len(d.Steps) > maxSteps || d.Validation < 0 {
			return 0, Refusal("請提供正確的應用。")
		}
		for _, s := range d.Steps {
			if s.Work < 0 || s.Pause < 0 || s.Name == "" {
				return 0, Refusal("請提供正確的應用。")
			}
		}
	}
	id, err := e.db.SaveWorkspace(w)
	if err != nil {
		return 0, fmt.Errorf("saving an application: %w", err)
	}
	return id, nil
}

// Deploy makes the flows of a designed application known to this process, to its
// disk and to the database, and puts the application into the sidebar below the
// entry parent. app is the deployed application whose next version this is, or 0
// for a new one.
//
// Two faults of OMFLOW are kept. When the migrations on disk have two ends,
// because two servers deployed without each other's files, it is refused. When
// models.py on disk has classes that this process has not loaded, because files
// were copied here without a restart, Django's makemigrations asks a question
// that nobody answers: Deploy reports success and the flow's table does not exist.
func (e *Engine) Deploy(workspaceID, app int, parent string) error {
	w, err := e.db.Workspace(workspaceID)
	if err != nil {
		return fmt.Errorf("reading an application: %w", err)
	}
	if w.ID == 0 {
		return Refusal("WorkspaceApplication matching query does not exist.")
	}
	apps, err := e.db.Apps()
	if err != nil {
		return fmt.Errorf("reading deployed applications: %w", err)
	}
	next := database.App{Name: w.Name, Version: 1}
	for _, a := range apps {
		switch {
		case a.ID == app:
			next.Name, next.Version = a.Name, a.Version+1
		case app == 0 && a.Name == w.Name && !a.Undeployed:
			return Refusal("上架應用時失敗。")
		case app == 0 && a.Name == w.Name:
			next.Version = a.Version + 1
		}
	}
	if next, err = e.db.SaveApp(next); err != nil {
		return fmt.Errorf("saving a deployed application: %w", err)
	}
	for _, d := range w.Flows {
		if err := e.deploy(next, d); err != nil {
			return err
		}
	}
	if err := e.removeFromSidebar(next); err != nil {
		return err
	}
	return e.addToSidebar(next, w.Flows, parent)
}

func (e *Engine) deploy(app database.App, d database.Design) error {
	if err := writeCode(e.home, d.UUID, app.Version, d.Steps); err != nil {
		return err
	}
	if !e.HasModel(d.UUID) {
		if err := e.migrate(d.UUID); err != nil {
			return err
		}
	}
	return e.saveFlow(flowOf(app, d))
}

// saveFlow writes the whole row of a flow and keeps it in this process's memory.
func (e *Engine) saveFlow(f database.Flow) error {
	f, err := e.db.SaveFlow(f)
	if err != nil {
		return fmt.Errorf("saving a deployed flow: %w", err)
	}
	e.mu.Lock()
	e.flows[f.UUID] = f
	e.mu.Unlock()
	return nil
}

// migrate adds the class of a flow's table on disk, makes the table and loads
// the class.
func (e *Engine) migrate(uuid string) error {
	onDisk, err := loadModels(e.home)
	if err != nil {
		return err
	}
	leaves, last, err := migrationLeaves(e.home)
	if err != nil {
		return err
	}
	if len(leaves) != 1 {
		return Refusal(fmt.Sprintf("Conflicting migrations detected; multiple leaf nodes in the migration graph: "+
			"(%s in omformmodel).", strings.Join(leaves, ", ")))
	}
	e.mu.Lock()
	synced := maps.Equal(onDisk, e.models)
	e.mu.Unlock()
	if !onDisk[uuid] {
		src, err := read(e.home, modelsFile)
		if err != nil {
			return err
		}
		if err := write(e.home, modelsFile, src+modelSource(uuid)); err != nil {
			return err
		}
	}
	if !synced {
		return nil // makemigrations waits for an answer and gets none
	}
	name := fmt.Sprintf("%04d_omdata_%s.py", last+1, uuid)
	if err := write(e.home, path.Join(migrationsDir, name), migrationSource(leaves[0], uuid)); err != nil {
		return err
	}
	if err := e.db.CreateTable(uuid); err != nil {
		return fmt.Errorf("creating a flow's table: %w", err)
	}
	e.mu.Lock()
	e.models[uuid] = true
	e.mu.Unlock()
	return nil
}
