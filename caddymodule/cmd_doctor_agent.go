package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/omflow/settings"
)

// agentParts is what is checked of the module omflow.agent. Package agent, which this
// one does not import, documents the fields and has the same defaults.
type agentParts struct {
	Home     string   `json:"home"`
	Run      []string `json:"run"`
	Python   string   `json:"python"`
	Database string   `json:"database"`
	Patch    *struct {
		Folder string `json:"folder"`
	} `json:"patch"`
}

// Where an agent's database is, if not at a URL.
const (
	databaseSettings = "settings"
	databaseNone     = "none"
)

// readAgent reads an agent's configuration; python, if given, is used instead of the
// configured one. What cannot be read is left out: the first check has told.
func readAgent(text json.RawMessage, python string) *agentParts {
	a := new(agentParts)
	_ = json.Unmarshal(text, a)
	if home, err := filepath.Abs(a.Home); a.Home != "" && err == nil {
		a.Home = home
	}
	a.Python = cmp.Or(python, a.Python, "python3")
	if a.Database == "" {
		a.Database = databaseNone
		if a.Home != "" {
			a.Database = databaseSettings
		}
	}
	a.Database = caddy.NewReplacer().ReplaceKnown(a.Database, "")
	return a
}

// home is the OMFLOW Server's folder; a booster has none.
func (a *agentParts) home() string {
	if a == nil {
		return ""
	}
	return a.Home
}

// read is settings.py, or why it can't be read.
type read struct {
	settings settings.Settings
	err      error
}

// checks are those of an agent alone.
func (a *agentParts) checks(join []string, secrets *doctor.Secrets) (checks []doctor.Check) {
	file := doctor.Shared(func(ctx context.Context) read {
		s, err := settings.Read(ctx, settings.Config{
			File: settings.FileIn(a.Home), Python: []string{a.Python},
			// Windows has a few variables that have no name.
			Env: settings.Environ(),
		})
		secrets.Add(string(s.SecretKey))
		return read{s, err}
	})
	if a.Home != "" {
		checks = append(checks, doctor.Server{
			Home: a.Home, Run: a.Run, Python: a.Python, Join: join,
			Settings: func(ctx context.Context) (settings.Settings, error) { r := file(ctx); return r.settings, r.err },
		}.Checks()...)
	}
	if a.Patch != nil {
		checks = append(checks, doctor.Watches{Folder: cmp.Or(a.Patch.Folder, a.Home)}.Checks()...)
	}
	if a.Database == databaseNone {
		return append(checks, doctor.Known("database", doctor.Result{State: doctor.Skipped, Detail: "the agent looks at none"}))
	}
	return append(checks, doctor.Database{
		Secrets: secrets,
		Target: func(ctx context.Context) (database.Target, error) {
			if a.Database != databaseSettings {
				return database.ParseURL(a.Database)
			}
			r := file(ctx)
			target, err := r.settings.Database()
			if err != nil {
				return target, cmp.Or(r.err, err)
			}
			return target, nil // whatever else is wrong in it is not about the database
		},
	}.Checks()...)
}
