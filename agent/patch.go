package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/watch"
)

// What happens to the server for a release.
const (
	onChangeRestart = "restart"
	onChangeRefresh = "refresh" // the same, as a control change is taken over
	onChangeNone    = "none"
	onChangeRun     = "run"
)

// Who lets a release out.
const (
	approveAuto   = "auto"
	approveManual = "manual"
)

// Patch keeps a folder the same on all servers: what is changed in it on one of them
// becomes a release, which is brought to all others, one at a time.
//
// A release holds at most 200,000 files, of at most 1 GiB each and 64 GiB together; a
// path has at most 1,024 bytes and 32 folders. Links, devices and names that not every
// system can hold are left out, and told.
type Patch struct {
	// The folder. Default: the agent's `home`, and then OMFLOW Server's own lists of
	// what is never the same hold too: settings.py, logs, uploads, compiled Python.
	Folder string `json:"folder,omitempty"`

	// Only files that match one of these patterns are kept the same. `*` stands for
	// any characters but the slash, `**` for any number of folders; a pattern without
	// a slash matches in every folder, one that ends with a slash is a folder's.
	// Default: all.
	Include []string `json:"include,omitempty"`

	// Files and folders that match one of these patterns are left alone, whatever
	// `include` says. Default: none but OMFLOW Server's own.
	Exclude []string `json:"exclude,omitempty"`

	// How long the folder must have been quiet before a change counts. A file that a
	// process has open for writing is waited for besides. Default: 500ms.
	Settle caddy.Duration `json:"settle,omitempty"`

	// How long other files that go on changing are waited for. Default: 10s, or twice
	// `settle` if that is longer.
	MaxSettle caddy.Duration `json:"max_settle,omitempty"`

	// What happens to the server for a release: `restart`, which stops it while files
	// are replaced; `none`, for a server that sees by itself that files have changed;
	// `run`, which runs `on_change_run` after that. `refresh` is the same as `restart`.
	// Default: restart.
	OnChange string `json:"on_change,omitempty"`

	// The command for `run` and its arguments; it may take a minute. No shell is
	// involved. It runs in the folder. What it leaves running must write its output
	// elsewhere than the command does.
	OnChangeRun []string `json:"on_change_run,omitempty"`

	// Who lets a release out to the servers: `auto` nobody has to, `manual` waits for
	// `booster omflow releases approve`. Default: auto.
	Approve string `json:"approve,omitempty"`

	// How many releases are kept to roll back to, from 1 to 1000. Default: 20.
	Keep int `json:"keep,omitempty"`
}

var patchOptions = []string{"include", "exclude", "settle", "max_settle", "on_change", "approve", "keep"}

// UnmarshalCaddyfile reads the block; d is at the word "patch".
//
//	patch [<folder>] {
//		include    <glob>...
//		exclude    <glob>...
//		settle     <duration>
//		max_settle <duration>
//		on_change  restart|refresh|none|run <command> <args...>
//		approve    auto|manual
//		keep       <n>
//	}
func (p *Patch) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		p.Folder = d.Val()
	}
	if err := caddyconf.NoMore(d, "patch"); err != nil {
		return err
	}
	return caddyconf.Options(d, "patch", patchOptions, []string{"include", "exclude"}, func(option string) error {
		switch option {
		case "include":
			return globs(d, &p.Include)
		case "exclude":
			return globs(d, &p.Exclude)
		case "settle":
			return caddyconf.Duration(d, &p.Settle)
		case "max_settle":
			return caddyconf.Duration(d, &p.MaxSettle)
		case "on_change":
			words := d.RemainingArgs()
			if len(words) == 0 {
				return d.Err("on_change needs restart, none, or run and a command")
			}
			p.OnChange = words[0]
			if len(words) > 1 {
				p.OnChangeRun = words[1:]
			}
			if err := p.checkOnChange(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		case "approve":
			if err := caddyconf.Word(d, &p.Approve); err != nil {
				return err
			}
			return wrapped(d, p.checkApprove())
		default:
			return caddyconf.Number(d, &p.Keep, api.MaxKeep)
		}
	})
}

func wrapped(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}

// globs takes the patterns of one line.
func globs(d *caddyfile.Dispenser, to *[]string) error {
	option := d.Val()
	words := d.RemainingArgs()
	if len(words) == 0 {
		return d.Errf("%s needs patterns, as in `%s *.py templates/`", option, option)
	}
	rules := watch.Rules{Include: words}
	if option == "exclude" {
		rules = watch.Rules{Exclude: words}
	}
	if err := rules.Validate(); err != nil {
		return d.WrapErr(err)
	}
	*to = append(*to, words...)
	return nil
}

func (p *Patch) checkOnChange() error {
	switch p.OnChange {
	case onChangeRun:
		if len(p.OnChangeRun) == 0 || slices.Contains(p.OnChangeRun, "") {
			return errors.New("on_change run needs a command: write it with its arguments, as in `on_change run systemctl reload omflow`")
		}
		return nil
	case onChangeRestart, onChangeRefresh, onChangeNone:
		if len(p.OnChangeRun) > 0 {
			return fmt.Errorf("on_change %s takes no command: remove %q", p.OnChange, p.OnChangeRun[0])
		}
		return nil
	}
	return fmt.Errorf("on_change %q: write restart, none, or run and a command", p.OnChange)
}

func (p *Patch) checkApprove() error {
	if p.Approve != approveAuto && p.Approve != approveManual {
		return fmt.Errorf("approve %q: write auto or manual", p.Approve)
	}
	return nil
}

// provision fills in the defaults. A folder that does not begin at the root is looked
// for in home.
func (p *Patch) provision(home string) error {
	switch {
	case p.Folder == "":
		p.Folder = home
	case home != "" && !filepath.IsAbs(p.Folder):
		p.Folder = filepath.Join(home, p.Folder)
	}
	if p.Folder != "" {
		folder, err := filepath.Abs(p.Folder)
		if err != nil {
			return fmt.Errorf("patch: folder %q: %w", p.Folder, err)
		}
		p.Folder = folder
	}
	if p.OnChange == "" {
		p.OnChange = onChangeRestart
	}
	if p.Approve == "" {
		p.Approve = approveAuto
	}
	if p.Keep == 0 {
		p.Keep = history.DefaultKeep
	}
	return nil
}

// validate refuses what cannot work. run is the command that the agent runs the server
// with.
func (p *Patch) validate(home string, run []string) error {
	if p.Folder == "" {
		return errors.New("patch: without home it needs a folder: write `patch /srv/app`")
	}
	if info, err := os.Stat(p.Folder); err == nil && !info.IsDir() {
		return fmt.Errorf("patch: %s is a file: write a folder", p.Folder)
	}
	if err := p.checkOnChange(); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	if err := p.checkApprove(); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	if len(run) == 0 && (p.OnChange == onChangeRestart || p.OnChange == onChangeRefresh) {
		return errors.New("patch: the agent can't restart a server that it does not run: write `run` in the agent block, or `on_change none` or `on_change run <command>` here")
	}
	if p.Keep < 1 || p.Keep > api.MaxKeep {
		return fmt.Errorf("patch: keep %d: write a number from 1 to %d", p.Keep, api.MaxKeep)
	}
	if p.Settle < 0 || p.MaxSettle < 0 {
		return errors.New("patch: settle and max_settle must not be negative: write durations such as 500ms")
	}
	check := watch.Config{Root: p.Folder, Rules: p.rules(home), Settle: time.Duration(p.Settle), MaxSettle: time.Duration(p.MaxSettle)}
	if err := check.Validate(); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	return nil
}

// rules say which files are kept the same.
func (p *Patch) rules(home string) watch.Rules {
	rules := watch.Rules{Include: p.Include, Exclude: slices.Clone(p.Exclude)}
	if p.isHome(home) {
		rules.Exclude = append(rules.Exclude, omflow.PatchRules().Exclude...)
	}
	return rules
}

// isHome reports whether the folder is an OMFLOW Server's.
func (p *Patch) isHome(home string) bool { return home != "" && p.Folder == home }

// Interface guard
var _ caddyfile.Unmarshaler = (*Patch)(nil)
