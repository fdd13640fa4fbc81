package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"

	pysettings "github.com/omflow/booster/internal/omflow/settings"
)

// Source is a server from which new ones take over what they need.
type Source struct {
	// Place is the server's.
	Place Place
	// Options are its agent's, as JSON.
	Options json.RawMessage
	// Python runs it, with the words of Run.
	Python string
	Run    []string
	// Logger gets what operators should know. Required.
	Logger *slog.Logger
}

// Origin reads what a new server needs. It runs Python, for some seconds at most.
func (s Source) Origin(ctx context.Context) (Origin, error) {
	o, err := s.origin(ctx)
	if err != nil {
		return Origin{}, fmt.Errorf("server %s can't be the origin of a new one: %w", s.Place.Name, err)
	}
	return o, nil
}

func (s Source) origin(ctx context.Context) (Origin, error) {
	text, err := readSettings(s.Place.Home)
	if err != nil {
		return Origin{}, err
	}
	own, err := readOwn(ctx, s.Place.Home, s.Python)
	if err != nil {
		return Origin{}, err
	}
	o := Origin{
		Name: s.Place.Name, System: runtime.GOOS, Home: s.Place.Home, Server: s.Place.Server, Options: s.Options,
		Settings: text, Fingerprint: own.fingerprint, Database: own.database, Python: own.python,
	}
	f, err := listModules(ctx, s.Python, s.Place.Home, own.engine, s.Run)
	if err != nil {
		// The new server is told less then when it lacks something.
		s.Logger.Warn("a new server is not told which Python packages it needs", "error", err)
	}
	o.Modules = f.Modules
	return o, nil
}

// readSettings reads the text of a server's settings.py.
func readSettings(home string) ([]byte, error) {
	f, err := os.Open(pysettings.FileIn(home))
	if err != nil {
		return nil, fmt.Errorf("read settings.py: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSettings+1))
	if err != nil {
		return nil, fmt.Errorf("read settings.py: %w", err)
	}
	if len(text) > MaxSettings {
		return nil, fmt.Errorf("read settings.py: it has more than %d bytes", MaxSettings)
	}
	return text, nil
}
