package patch

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
)

// Offer implements Peers.
func (s *server) Offer(_ context.Context, contents ...api.Content) {
	for _, name := range s.Agents() {
		if other := s.c.member(name); other != nil {
			other.Offered(s.name, contents)
		}
	}
}

// Agents implements Peers.
func (s *server) Agents() (names []string) {
	for _, other := range s.c.all() {
		if other.name != s.name {
			names = append(names, other.name)
		}
	}
	return names
}

// Blobs implements Peers.
func (s *server) Blobs(ctx context.Context, agent string, files []release.File, put func(io.Reader, release.Hash, int64) error) error {
	other := s.c.member(agent)
	if other == nil {
		return errors.New("no such agent")
	}
	s.c.mu.Lock()
	s.c.asked[agent]++
	most, bounded := s.c.busyAfter[agent]
	busy := s.c.streams[agent] >= api.MaxStreams || bounded && s.c.served[agent] >= most
	if !busy {
		s.c.streams[agent]++
	}
	s.c.mu.Unlock()
	if busy {
		return api.ErrBusy
	}
	defer func() {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		s.c.streams[agent]--
	}()
	for _, f := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b, err := other.OpenBlob(f.SHA256)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.c.mu.Lock()
		sent := io.Reader(b)
		if s.c.spoilt {
			sent = io.LimitReader(zeros{}, f.Size)
		}
		s.c.mu.Unlock()
		err = put(sent, f.SHA256, f.Size)
		b.Close()
		if err != nil {
			return err
		}
		s.c.mu.Lock()
		s.c.served[agent]++
		s.c.mu.Unlock()
	}
	return nil
}
