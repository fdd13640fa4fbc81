package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/supervise"
	"github.com/omflow/booster/internal/watch"
)

// agentParts is what is checked of the module omflow.agent. Package agent, which this
// one does not import, documents the fields and has the same defaults.
type agentParts struct {
	Home     string   `json:"home"`
	Server   string   `json:"server"`
	Run      []string `json:"run"`
	Python   string   `json:"python"`
	Database string   `json:"database"`
	Patch    *struct {
		Folder  string   `json:"folder"`
		Include []string `json:"include"`
		Exclude []string `json:"exclude"`
	} `json:"patch"`
	Replicate string          `json:"replicate"`
	Health    json.RawMessage `json:"health"`

	// stateDir is the server's own state folder.
	stateDir string

	// coming is what is looked at while the server of its own has not come yet; nil of
	// one that has, and of one that was always there.
	coming *doctor.NewServer

	// read reads settings.py, once.
	read func(context.Context) read
}

// Where an agent's database is, if not at a URL.
const (
	databaseSettings = "settings"
	databaseNone     = "none"
)

// readAgent reads an agent's configuration; python, if given, is used instead of the
// configured one. stateDir is the server's own state folder, where a new server's options
// are. secrets learns what settings.py holds of them. What cannot be read is
// left out: the first check has told.
func readAgent(text json.RawMessage, stateDir, python string, secrets *doctor.Secrets) *agentParts {
	a := &agentParts{stateDir: stateDir}
	_ = json.Unmarshal(text, a)
	if home, err := filepath.Abs(a.Home); a.Home != "" && err == nil {
		a.Home = home
	}
	a.takeOver()
	a.Python = cmp.Or(python, a.Python, "python3")
	if a.Database == "" {
		a.Database = databaseNone
		if a.Home != "" {
			a.Database = databaseSettings
		}
	}
	a.Database = caddy.NewReplacer().ReplaceKnown(a.Database, "")
	a.read = doctor.Shared(func(ctx context.Context) read {
		s, err := settings.Read(ctx, settings.Config{
			File: settings.FileIn(a.Home), Python: settings.AsOwner(a.Python, settings.FileIn(a.Home), a.Home),
			// Windows has a few variables that have no name.
			Env: settings.Environ(),
		})
		secrets.Add(string(s.SecretKey))
		return read{s, err}
	})
	return a
}

// takeOver fills in the options that a new server's agent has from the cluster. Whose
// configuration says nothing of a server's address, or but its port, is one: package
// agent decides so.
func (a *agentParts) takeOver() {
	if a.Health != nil || a.Server != "" && !strings.HasPrefix(a.Server, ":") {
		return
	}
	record, err := bootstrap.Load(a.stateDir)
	var all agentParts
	if err == nil && record.Arrived() {
		err = json.Unmarshal(record.Options, &all)
	}
	if err != nil || !record.Arrived() {
		a.coming = &doctor.NewServer{Home: a.Home, Err: err}
		return
	}
	a.Home, a.Server, a.Replicate = cmp.Or(a.Home, record.Home), cmp.Or(a.Server, record.Server), cmp.Or(a.Replicate, all.Replicate)
	a.Python, a.Database = cmp.Or(a.Python, all.Python), cmp.Or(a.Database, all.Database)
	if len(a.Run) == 0 {
		a.Run = all.Run
	}
	if a.Patch == nil {
		a.Patch = all.Patch
	}
}

// join returns the boosters that an agent joins whose configuration names none, and
// what names them; or why there are none.
func (a *agentParts) join(ctx context.Context) (join []string, from string, missing error) {
	if a.Home == "" || a.coming != nil {
		return nil, "", errors.New("no booster is named")
	}
	from = settings.FileIn(a.Home)
	r := a.read(ctx)
	if len(r.settings.Boosters) > 0 {
		return r.settings.Boosters, from, nil // whatever else is wrong in it has its own check
	}
	return nil, "", fmt.Errorf("%s: %w", from, cmp.Or(r.err, r.settings.NoBooster()))
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

// checks are those of an agent alone: server is what is known of its OMFLOW Server from
// elsewhere than the agent's own part of the configuration.
func (a *agentParts) checks(server doctor.Server, secrets *doctor.Secrets) (checks []doctor.Check) {
	if a.coming != nil {
		return a.coming.Checks()
	}
	if a.Home != "" {
		server.Home, server.Run, server.Python = a.Home, a.Run, a.Python
		server.Settings = func(ctx context.Context) (settings.Settings, error) { r := a.read(ctx); return r.settings, r.err }
		checks = append(checks, server.Checks()...)
	}
	if len(a.Run) > 0 && a.Server != "" {
		checks = append(checks, doctor.ServerPort{
			Address: a.Server, Recorded: func() (int, error) { return supervise.Recorded(a.stateDir) },
		}.Checks()...)
	}
	if trees := a.watched(); len(trees) > 0 {
		checks = append(checks, doctor.Watches{Trees: trees}.Checks()...)
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
			r := a.read(ctx)
			target, err := r.settings.Database()
			if err != nil {
				return target, cmp.Or(r.err, err)
			}
			return target, nil // whatever else is wrong in it is not about the database
		},
	}.Checks()...)
}

// watched are the folders that the agent watches, by the rules that package agent has for
// them.
func (a *agentParts) watched() (trees []doctor.Tree) {
	below := func(folder string) string {
		if a.Home != "" && !filepath.IsAbs(folder) {
			return filepath.Join(a.Home, folder)
		}
		if filepath.IsAbs(folder) {
			return filepath.Clean(folder)
		}
		return folder
	}
	if p := a.Patch; p != nil {
		tree := doctor.Tree{Folder: below(p.Folder), Rules: watch.Rules{Include: p.Include, Exclude: p.Exclude}}
		if a.Home != "" && tree.Folder == a.Home {
			tree.Rules.Exclude = slices.Concat(p.Exclude, omflow.PatchRules().Exclude)
		}
		trees = append(trees, tree)
	}
	if a.Replicate != "" {
		tree := doctor.Tree{Folder: below(a.Replicate)}
		if a.Home != "" && tree.Folder == filepath.Join(a.Home, "uploads") {
			tree.Rules = omflow.UploadRules()
		}
		trees = append(trees, tree)
	}
	return trees
}
