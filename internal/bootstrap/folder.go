package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/durable"
	pysettings "github.com/omflow/booster/internal/omflow/settings"
)

// beside are names that may be in a folder that counts as empty: Python's virtual
// environment, which an operator makes before the server comes, OMFLOW's logs, and what
// a new file system has.
var beside = []string{"venv", ".venv", "env", "logs", "lost+found"}

// own is what a server's settings.py says of it.
type own struct {
	fingerprint string
	database    Database
	engine      database.Engine
	python      string
}

// readOwn reads a server's settings.py with Python.
func readOwn(ctx context.Context, home, python string) (own, error) {
	s, err := pysettings.Read(ctx, pysettings.Config{
		File: pysettings.FileIn(home), Python: []string{python}, Env: pysettings.Environ(),
	})
	if err == nil {
		err = s.Validate()
	}
	if err != nil {
		return own{}, err
	}
	target, err := s.Database()
	if err != nil {
		return own{}, err
	}
	return own{
		fingerprint: s.Fingerprint(), engine: target.Engine, python: s.Python,
		database: Database{Engine: string(target.Engine), Address: target.Address(), Name: target.Name},
	}, nil
}

// take decides whether a folder may become the new server's, and whether it holds this
// cluster's OMFLOW Server already. It writes nothing.
func take(ctx context.Context, plan Plan, o Origin) (same bool, err error) {
	home := plan.Place.Home
	info, err := os.Stat(home)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at home: %w", err)
	}
	if !info.IsDir() {
		return false, fmt.Errorf("home %s is a file: name a folder that is empty or not there", home)
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return false, fmt.Errorf("look at home: %w", err)
	}
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool {
		return !slices.Contains(beside, e.Name()) && !slices.Contains(plan.Beside, e.Name())
	})
	if i < 0 {
		return false, nil
	}
	if _, err := os.Stat(pysettings.FileIn(home)); err != nil {
		return false, fmt.Errorf("home %s is not empty, and holds no OMFLOW Server: there is %q: empty it, or name another folder", home, entries[i].Name())
	}
	here, err := readOwn(ctx, home, plan.Python)
	switch {
	case err != nil:
		return false, fmt.Errorf("home %s is not empty, and it is not known whether its OMFLOW Server is this cluster's: %w", home, err)
	case here.fingerprint != o.Fingerprint:
		return false, fmt.Errorf("home %s holds an OMFLOW Server with another SECRET_KEY than server %s has: it is not this cluster's: empty the folder, or name another one", home, o.Name)
	case !here.database.same(o.Database):
		return false, fmt.Errorf("home %s holds an OMFLOW Server with another database, %s, than server %s has, %s: it is not this cluster's: empty the folder, or name another one",
			home, here.database, o.Name, o.Database)
	}
	return true, nil
}

// furnish makes the folder, and settings.py in it. All is put in place before the next
// is begun, and can be done again.
func furnish(home string, settings []byte) error {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return fmt.Errorf("make home: %w: make the folder for the user that the agent runs as, or name another one", err)
	}
	like, err := os.Stat(home)
	if err != nil {
		return fmt.Errorf("make home: %w", err)
	}
	file := pysettings.FileIn(home)
	// OMFLOW opens its logs in a folder that it does not make, and that is in no release.
	for _, dir := range []string{filepath.Join(home, "logs"), filepath.Dir(file)} {
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = ownLike(dir, like)
		}
		if err != nil {
			return fmt.Errorf("make home: %w", err)
		}
	}
	if err := durable.WriteFile(file, settings); err != nil {
		return fmt.Errorf("write settings.py: %w", err)
	}
	if err := ownLike(file, like); err != nil {
		return fmt.Errorf("write settings.py: %w", err)
	}
	return nil
}
