package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/profile"
)

// repairs are the switches of a profile, by the names that repairs_off takes.
var repairs = map[string]func(*profile.Repairs) *bool{
	"tokens":         func(r *profile.Repairs) *bool { return &r.Tokens },
	"lost_creates":   func(r *profile.Repairs) *bool { return &r.LostCreates },
	"agree_get":      func(r *profile.Repairs) *bool { return &r.AgreeGet },
	"history_files":  func(r *profile.Repairs) *bool { return &r.HistoryFiles },
	"rest_cookies":   func(r *profile.Repairs) *bool { return &r.RESTCookies },
	"lead":           func(r *profile.Repairs) *bool { return &r.Lead },
	"multipart_gate": func(r *profile.Repairs) *bool { return &r.MultipartGate },
	"pauses":         func(r *profile.Repairs) *bool { return &r.Pauses },
}

func repairNames() []string { return slices.Sorted(maps.Keys(repairs)) }

// switchOff switches repairs of a profile off.
func switchOff(p *profile.Profile, names []string) error {
	for _, name := range names {
		of, ok := repairs[name]
		if !ok {
			return fmt.Errorf("repairs_off: there is no repair %q: write one of %s", name, strings.Join(repairNames(), ", "))
		}
		*of(&p.Repairs) = false
	}
	if !p.Repairs.Lead {
		// A second apart on one server, and pauses on one server, are what they are about.
		p.Repairs.MultipartGate, p.Repairs.Pauses = false, false
	}
	return nil
}

// readProfile reads the handler's profile; nil is that of servers that are no OMFLOW.
func (h *Handler) readProfile() (*profile.Profile, error) {
	switch cmp.Or(h.Profile, profileOMFLOW) {
	case profileNone:
		return nil, nil
	case profileOMFLOW:
		return profile.Default(), nil
	}
	f, err := os.Open(h.Profile)
	if err != nil {
		return nil, fmt.Errorf("profile: write omflow, none, or the path of a profile file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, profile.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	p, err := profile.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", h.Profile, err)
	}
	return p, nil
}

// newTable makes the handler's rules.
func (h *Handler) newTable() (*omflow.Table, error) {
	p, err := h.readProfile()
	if err != nil {
		return nil, err
	}
	if p == nil {
		if len(h.RepairsOff) > 0 {
			return nil, errors.New("repairs_off: with profile none there are no repairs: remove it")
		}
		return omflow.PlainTable(), nil
	}
	if err := switchOff(p, h.RepairsOff); err != nil {
		return nil, err
	}
	table, err := omflow.NewTable(p)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	for _, l := range h.Lanes {
		if err := l.addTo(table); err != nil {
			return nil, err
		}
	}
	return table, nil
}

func profileCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "profile",
		Short: "Prints what is known of OMFLOW Server, as a profile file",
		Long: `
Prints the built-in profile: which URLs there are and what they do, how OMFLOW's
answers are recognised, which repairs are made, and the texts of the booster's own
answers. Change what your version of OMFLOW does otherwise, and name the file with
"profile <file>" in the omflow_booster block.`,
		Args: exactly(0, "no arguments"),
		RunE: run(func(_ *cobra.Command, _ []string, out io.Writer) error {
			_, err := out.Write(profile.Default().JSON())
			return err
		}),
	}
}
