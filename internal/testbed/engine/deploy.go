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
		if !uuidPattern.MatchString(d.UUID) || d.Name == "" || len(d.Steps) > maxSteps {
			return 0, Refusal("請提供正確的應用。")
		}
		for _, s := range d.Steps {
			if s.Work < 0 || s.Name == "" {
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
// disk and to the database.
//
// Two faults of OMFLOW are kept. When the migrations on disk have two ends,
// because two servers deployed without each other's files, it is refused. When
// models.py on disk has classes that this process has not loaded, because files
// were copied here without a restart, Django's makemigrations asks a question
// that nobody answers: Deploy reports success and the flow's table does not exist.
func (e *Engine) Deploy(workspaceID int) error {
	w, err := e.db.Workspace(workspaceID)
	if err != nil {
		return fmt.Errorf("reading an application: %w", err)
	}
	if w.ID == 0 {
		return Refusal("WorkspaceApplication matching query does not exist.")
	}
	known, err := e.db.Flows()
	if err != nil {
		return fmt.Errorf("reading deployed flows: %w", err)
	}
	versions := map[string]int{}
	for _, f := range known {
		versions[f.UUID] = f.Version
	}
	for _, d := range w.Flows {
		if err := e.deploy(w, d, versions[d.UUID]+1); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) deploy(w database.Workspace, d database.Design, version int) error {
	if err := writeCode(e.home, d, version); err != nil {
		return err
	}
	if !e.HasModel(d.UUID) {
		if err := e.migrate(d.UUID); err != nil {
			return err
		}
	}
	f, err := e.db.SaveFlow(flowOf(w, d, version))
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
		if f, err = e.db.SaveFlow(f); err != nil {
			return fmt.Errorf("saving a deployed flow: %w", err)
		}
		e.mu.Lock()
		e.flows[f.UUID] = f
		e.mu.Unlock()
	}
	return nil
}
