package engine

import (
	"fmt"

	"github.com/omflow/booster/internal/testbed/database"
)

// parameter returns a system parameter's value as this process has it in memory:
// flows see nothing else. One that it does not know is empty.
func (e *Engine) parameter(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.parameters[name]
}

// loadParameters reads the parameters into memory, which only a start does.
func (e *Engine) loadParameters() error {
	list, err := e.db.Parameters()
	if err != nil {
		return fmt.Errorf("loading parameters: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range list {
		e.parameters[p.Name] = p.Value
	}
	return nil
}

// SaveParameter creates a parameter, or with an ID changes one, in the database and
// in this process. A name that another one has is refused. After a change of the
// name this process goes on with the old one beside the new.
func (e *Engine) SaveParameter(p database.Parameter) error {
	list, err := e.db.Parameters()
	if err != nil {
		return fmt.Errorf("reading parameters: %w", err)
	}
	for _, old := range list {
		if old.Name == p.Name && old.ID != p.ID {
			return Refusal("重複名稱。")
		}
	}
	if err := e.db.SaveParameter(p); err != nil {
		return fmt.Errorf("saving a parameter: %w", err)
	}
	e.mu.Lock()
	e.parameters[p.Name] = p.Value
	e.mu.Unlock()
	return nil
}

// DeleteParameters removes parameters from the database and this process.
func (e *Engine) DeleteParameters(ids []int) error {
	list, err := e.db.Parameters()
	if err != nil {
		return fmt.Errorf("reading parameters: %w", err)
	}
	if err := e.db.DeleteParameters(ids); err != nil {
		return fmt.Errorf("deleting parameters: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range list {
		for _, id := range ids {
			if p.ID == id {
				delete(e.parameters, p.Name)
			}
		}
	}
	return nil
}
