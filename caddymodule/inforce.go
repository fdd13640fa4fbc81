package caddymodule

import (
	"errors"
	"slices"
	"sync"
)

// inForce is what configurations want of a thing that outlives them: usually one
// wants something, two in the middle of a reload. The last one's settings are in
// force. When Caddy takes a reload back, because another part of it failed to
// start, those before it are again.
type inForce[T any] struct {
	// put changes the thing. It is never called twice at a time.
	put func(T) error

	mu     sync.Mutex
	wanted []*want[T]
}

// want is one configuration's settings.
type want[T any] struct{ settings T }

// use puts settings in force. On an error the former are.
func (f *inForce[T]) use(settings T) (*want[T], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.put(settings); err != nil {
		if n := len(f.wanted); n > 0 {
			err = errors.Join(err, f.put(f.wanted[n-1].settings))
		}
		return nil, err
	}
	w := &want[T]{settings}
	f.wanted = append(f.wanted, w)
	return w, nil
}

// drop takes settings back that use returned. What is left of them ends too, so the
// others are put in force in any case.
func (f *inForce[T]) drop(w *want[T]) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.wanted, w)
	if i < 0 {
		return nil
	}
	f.wanted = slices.Delete(f.wanted, i, i+1)
	if n := len(f.wanted); n > 0 {
		return f.put(f.wanted[n-1].settings)
	}
	return nil
}
