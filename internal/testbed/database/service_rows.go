package database

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

func (s service) Enqueue(q QueueItem, out *QueueItem) error {
	defer s.change()()
	q.ID = s.store.nextID()
	s.store.state.Queue[q.ID] = q
	*out = q
	return nil
}

// Dequeue removes the row with that queue_id if there is exactly one: OMFLOW asks
// its object mapper for the one row, and ignores the error when there are none or
// several.
func (s service) Dequeue(queueID string, _ *None) error {
	unlock := s.change()
	slow := s.store.slowDequeue
	defer func() { unlock(); time.Sleep(slow) }()
	found := 0
	for id, q := range s.store.state.Queue {
		if q.QueueID() != queueID {
			continue
		}
		if found != 0 {
			return nil
		}
		found = id
	}
	delete(s.store.state.Queue, found)
	return nil
}

// SlowInserts makes a database whose answers to InsertTicket take that long, though
// the row is there at once.
func (s service) SlowInserts(d time.Duration, _ *None) error {
	defer s.lock()()
	s.store.slow = d
	return nil
}

// SlowDequeues makes one whose answers to Dequeue take that long, though the row is gone
// at once.
func (s service) SlowDequeues(d time.Duration, _ *None) error {
	defer s.lock()()
	s.store.slowDequeue = d
	return nil
}

func (s service) Queue(_ None, out *[]QueueItem) error {
	defer s.lock()()
	for _, q := range s.store.state.Queue {
		*out = append(*out, q)
	}
	slices.SortFunc(*out, func(a, b QueueItem) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (s service) Schedule(id int, out *Schedule) error {
	defer s.lock()()
	*out = s.store.state.Schedules[id]
	return nil
}

func (s service) Schedules(_ None, out *[]Schedule) error {
	defer s.lock()()
	for _, v := range s.store.state.Schedules {
		*out = append(*out, v)
	}
	slices.SortFunc(*out, func(a, b Schedule) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// SaveSchedule updates the row or inserts it again with its old ID, as the
// object mapper's save does for a row that somebody else deleted.
func (s service) SaveSchedule(v Schedule, out *Schedule) error {
	defer s.change()()
	if v.ID == 0 {
		v.ID, v.Made = s.store.nextID(), time.Now()
	}
	s.store.state.Schedules[v.ID] = v
	*out = v
	return nil
}

func (s service) DeleteSchedule(id int, _ *None) error {
	defer s.change()()
	delete(s.store.state.Schedules, id)
	return nil
}

func (s service) AddFile(f File, out *File) error {
	defer s.change()()
	f.ID = s.store.nextID()
	s.store.state.Files[f.ID] = f
	*out = f
	return nil
}

// FileQuery asks for the attachments of one ticket.
type FileQuery struct {
	Flow   string
	DataNo int
}

func (s service) TicketFiles(q FileQuery, out *[]File) error {
	defer s.lock()()
	for _, f := range s.store.state.Files {
		if f.FlowUUID == q.Flow && f.DataNo == q.DataNo {
			*out = append(*out, f)
		}
	}
	// The newest first, as OMFLOW lists them.
	slices.SortFunc(*out, func(a, b File) int { return cmp.Compare(b.ID, a.ID) })
	return nil
}

func (s service) MarkFilesDeleted(ids []int, _ *None) error {
	defer s.change()()
	for _, id := range ids {
		if f, ok := s.store.state.Files[id]; ok {
			f.Deleted = true
			s.store.state.Files[id] = f
		}
	}
	return nil
}

func (s service) AddTempFile(f TempFile, _ *None) error {
	defer s.change()()
	f.ID = s.store.nextID()
	s.store.state.TempFiles[f.ID] = f
	return nil
}

func (s service) TempFilesOf(mapping string, out *[]TempFile) error {
	defer s.lock()()
	*out = filter(s.store.state.TempFiles, func(f TempFile) bool { return f.Mapping == mapping })
	slices.SortFunc(*out, func(a, b TempFile) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (s service) DeleteTempFiles(mapping string, out *[]TempFile) error {
	defer s.change()()
	*out = filter(s.store.state.TempFiles, func(f TempFile) bool { return f.Mapping == mapping })
	maps.DeleteFunc(s.store.state.TempFiles, func(_ int, f TempFile) bool { return f.Mapping == mapping })
	return nil
}

func (s service) Parameters(_ None, out *[]Parameter) error {
	defer s.lock()()
	*out = filter(s.store.state.Parameters, func(Parameter) bool { return true })
	slices.SortFunc(*out, func(a, b Parameter) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// SaveParameter inserts a parameter without ID, or replaces the one of its name. One
// with an ID is updated, which changes nothing when it does not exist.
func (s service) SaveParameter(p Parameter, _ *None) error {
	defer s.change()()
	if p.ID == 0 {
		for id, old := range s.store.state.Parameters {
			if old.Name == p.Name {
				p.ID = id
			}
		}
	}
	if p.ID == 0 {
		p.ID = s.store.nextID()
	} else if _, ok := s.store.state.Parameters[p.ID]; !ok {
		return nil
	}
	s.store.state.Parameters[p.ID] = p
	return nil
}

func (s service) DeleteParameters(ids []int, _ *None) error {
	defer s.change()()
	for _, id := range ids {
		delete(s.store.state.Parameters, id)
	}
	return nil
}

func (s service) Service(id string, out *Service) error {
	defer s.lock()()
	*out = s.store.state.Services[id]
	return nil
}

func (s service) SaveService(v Service, _ *None) error {
	defer s.change()()
	s.store.state.Services[v.ID] = v
	return nil
}

func (s service) Apps(_ None, out *[]App) error {
	defer s.lock()()
	*out = filter(s.store.state.Apps, func(App) bool { return true })
	slices.SortFunc(*out, func(a, b App) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// SaveApp inserts or replaces an application by its name.
func (s service) SaveApp(a App, out *App) error {
	defer s.change()()
	a.ID = 0
	for id, old := range s.store.state.Apps {
		if old.Name == a.Name {
			a.ID = id
		}
	}
	if a.ID == 0 {
		a.ID = s.store.nextID()
	}
	s.store.state.Apps[a.ID] = a
	*out = a
	return nil
}

// filter returns the values that are kept, in no particular order.
func filter[K comparable, V any](m map[K]V, keep func(V) bool) (out []V) {
	for _, v := range m {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

func (s service) DeleteFile(id int, _ *None) error {
	defer s.change()()
	delete(s.store.state.Files, id)
	return nil
}
