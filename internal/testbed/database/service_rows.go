package database

import (
	"cmp"
	"slices"
)

func (s service) Enqueue(q QueueItem, out *QueueItem) error {
	defer s.change()()
	q.ID = s.store.nextID()
	s.store.state.Queue[q.ID] = q
	*out = q
	return nil
}

func (s service) Dequeue(id int, _ *None) error {
	defer s.change()()
	delete(s.store.state.Queue, id)
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
		v.ID = s.store.nextID()
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

func (s service) DeleteFile(id int, _ *None) error {
	defer s.change()()
	delete(s.store.state.Files, id)
	return nil
}
