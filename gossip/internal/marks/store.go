package marks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// tombstoneLife is how long a deletion is remembered, and so for how long a
// node may be away without bringing back what was deleted meanwhile.
const tombstoneLife = 24 * time.Hour

// ErrFull: the map has MaxEntries entries and takes no new key.
var ErrFull = errors.New("too many marks")

// Store is the map. All methods may be called concurrently.
type Store struct {
	writer string // this node's name
	path   string // "" keeps nothing on disk

	mu       sync.Mutex
	entries  map[string]record
	counter  uint64
	standing standing
	since    time.Time // of the standing, if that is not here
	changed  bool      // since the last save
	left     uint64    // entries that peers sent and that found no room
	encoded  []byte    // of All, nil when it must be made again

	saving sync.Mutex
}

type record struct {
	Entry

	// learned is when this node learned of it, by its own clock. Zero: from
	// before the node was away for long, so it may have been deleted since.
	learned time.Time
}

// Set writes key and returns the change as it travels. It is the newest
// version of the key at the moment of the call.
func (s *Store) Set(key, value string) (Entry, []byte, error) {
	if err := validKey(key); err != nil {
		return Entry{}, nil, fmt.Errorf("set mark: %w", err)
	}
	if err := validValue(value); err != nil {
		return Entry{}, nil, fmt.Errorf("set mark %q: %w", key, err)
	}
	return s.write(Entry{Key: key, Value: value})
}

// Delete removes key, also if it is not there: a peer may have it. It returns
// the change as it travels.
func (s *Store) Delete(key string) (Entry, []byte, error) {
	if err := validKey(key); err != nil {
		return Entry{}, nil, fmt.Errorf("delete mark: %w", err)
	}
	return s.write(Entry{Key: key, Deleted: true})
}

func (s *Store) write(e Entry) (Entry, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.entries[e.Key]; !ok && len(s.entries) >= MaxEntries {
		return Entry{}, nil, fmt.Errorf("write mark %q: %w: %d are kept", e.Key, ErrFull, MaxEntries)
	}
	if s.counter >= maxCounter {
		return Entry{}, nil, fmt.Errorf("write mark %q: the counter is at its end", e.Key)
	}
	s.counter++
	e.Counter, e.Writer = s.counter, s.writer
	s.put(e, time.Now())
	return e, encode([]Entry{e}, here), nil
}

// put stores e. Callers hold mu.
func (s *Store) put(e Entry, learned time.Time) {
	s.entries[e.Key] = record{Entry: e, learned: learned}
	s.counter = max(s.counter, e.Counter)
	s.changed, s.encoded = true, nil
}

// Get returns the value of key and whether there is one.
func (s *Store) Get(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.entries[key]
	if !ok || r.Deleted {
		return "", false
	}
	return r.Value, true
}

// All returns a copy of the map, without tombstones.
func (s *Store) All() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]string, len(s.entries))
	for k, r := range s.entries {
		if !r.Deleted {
			out[k] = r.Value
		}
	}
	return out
}

// Encode returns the whole map as it travels. The caller must not change it.
func (s *Store) Encode() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.encoded == nil {
		s.encoded = encode(s.list(), s.standing)
	}
	return s.encoded
}

// list returns all entries, ordered so that the same map gives the same bytes.
// Callers hold mu.
func (s *Store) list() []Entry {
	out := make([]Entry, 0, len(s.entries))
	for _, k := range slices.Sorted(maps.Keys(s.entries)) {
		out = append(out, s.entries[k].Entry)
	}
	return out
}

// Merge takes in what a peer sent and returns what was new to this node. With
// whole, b is the peer's whole map and not only a change: a node that was away
// for longer than tombstones live then drops what the peer does not have. On
// an error nothing was taken.
func (s *Store) Merge(b []byte, whole bool) ([]Entry, error) {
	theirs, peer, err := decode(b)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var news []Entry
	if whole && s.standing == away && peer == here {
		news = s.dropMissing(theirs)
	}
	seen := s.counter
	for _, e := range theirs {
		mine, ok := s.entries[e.Key]
		switch {
		case ok && !e.newer(mine.Entry):
			continue
		case ok || !whole || s.standing != here:
		case peer == away:
			// This node was here and does not have it: it was deleted. What the
			// peer wrote after it came back arrives as a change, or when it is
			// no longer away.
			continue
		case e.Deleted && e.Counter <= seen:
			// This node has forgotten it already. If it took it anew, and gave it to
			// those that forget it later, nobody ever would.
			continue
		}
		if !ok && len(s.entries) >= MaxEntries {
			s.left++
			continue
		}
		learned := time.Now()
		if peer == away && s.standing != here {
			learned = time.Time{}
		}
		s.put(e, learned)
		if !e.Deleted || ok && !mine.Deleted {
			news = append(news, e)
		}
	}
	if whole && s.standing == blank && peer != blank {
		s.stand(peer) // it has now what the peer has, and that may be old
	}
	return news, nil
}

// stand changes the node's standing. Callers hold mu.
func (s *Store) stand(st standing) {
	s.standing, s.since = st, time.Now()
	s.changed, s.encoded = true, nil
}

// dropMissing forgets what is not among theirs: it was deleted while this node
// was away. Callers hold mu.
func (s *Store) dropMissing(theirs []Entry) []Entry {
	has := make(map[string]bool, len(theirs))
	for _, e := range theirs {
		has[e.Key] = true
	}
	var dropped []Entry
	for k, r := range s.entries {
		// What was written after this node came back is no old news.
		if has[k] || !r.learned.IsZero() {
			continue
		}
		delete(s.entries, k)
		if !r.Deleted {
			dropped = append(dropped, Entry{Key: k, Deleted: true, Counter: r.Counter, Writer: r.Writer})
		}
	}
	s.stand(here)
	return dropped
}

// Expire forgets tombstones that are older than 24 hours, and after as long ends the
// time in which this node gives way to peers that were not away. The owner calls it
// about every hour.
func (s *Store) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.standing != here && now.Sub(s.since) >= tombstoneLife {
		s.stand(here)
	}
	for k, r := range s.entries {
		if r.learned.IsZero() {
			// From a file of long ago: its life begins when it is first seen
			// here. Values keep the zero time while the node may yet learn that
			// they were deleted.
			if r.Deleted || s.standing == here {
				r.learned = now
				s.entries[k] = r
			}
			continue
		}
		if r.Deleted && now.Sub(r.learned) >= tombstoneLife {
			delete(s.entries, k)
			s.changed, s.encoded = true, nil
		}
	}
}

// Left returns how many entries from peers found no room so far.
func (s *Store) Left() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}
