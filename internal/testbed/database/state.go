package database

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// table holds the rows of one flow.
type table struct {
	NextID, NextNo int
	Rows           []Ticket
}

// state is everything the database knows. It is written to disk as it is.
type state struct {
	Users      map[string]User
	Sessions   map[string]Session
	Settings   map[string]string
	Workspaces map[int]Workspace
	Apps       map[int]App
	Flows      map[string]Flow
	Tables     map[string]*table
	Queue      map[int]QueueItem
	Schedules  map[int]Schedule
	Files      map[int]File
	TempFiles  map[int]TempFile
	Parameters map[int]Parameter
	Services   map[string]Service
	NextID     int // for every table that is not a flow's
}

func newState() state {
	return state{
		Users:      map[string]User{},
		Sessions:   map[string]Session{},
		Settings:   map[string]string{},
		Workspaces: map[int]Workspace{},
		Apps:       map[int]App{},
		Flows:      map[string]Flow{},
		Tables:     map[string]*table{},
		Queue:      map[int]QueueItem{},
		Schedules:  map[int]Schedule{},
		Files:      map[int]File{},
		TempFiles:  map[int]TempFile{},
		Parameters: map[int]Parameter{},
		Services:   map[string]Service{},
	}
}

// store is the state with its lock.
type store struct {
	mu    sync.Mutex
	state state
	dirty bool
	// slow is how long the answer to a new row of a ticket takes.
	slow time.Duration
	// slowDequeue is how long that to the end of a row of the journal takes.
	slowDequeue time.Duration
}

func (s *store) nextID() int {
	s.state.NextID++
	return s.state.NextID
}

// load reads the state from a file. A file that is not there is an empty
// database.
func (s *store) load(file string) error {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the database file: %w", err)
	}
	st := newState()
	if err := json.Unmarshal(raw, &st); err != nil {
		return fmt.Errorf("parsing the database file %s: %w", file, err)
	}
	s.state = st
	return nil
}

// save writes the state when it changed, by way of a new file, so that a crash
// leaves the old one whole.
func (s *store) save(file string) error {
	s.mu.Lock()
	if !s.dirty {
		s.mu.Unlock()
		return nil
	}
	raw, err := json.Marshal(s.state)
	s.dirty = false
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("encoding the database: %w", err)
	}
	if err := s.replace(file, raw); err != nil {
		s.mu.Lock()
		s.dirty = true // try again at the next round
		s.mu.Unlock()
		return err
	}
	return nil
}

func (s *store) replace(file string, raw []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("creating a new database file: %w", err)
	}
	defer os.Remove(tmp.Name()) // fails once it was renamed, as it should
	if _, err := tmp.Write(raw); err != nil {
		tmp.Close()
		return fmt.Errorf("writing the database file: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("writing the database file: %w", err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("replacing the database file: %w", err)
	}
	return nil
}
