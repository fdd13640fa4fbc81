package doctor

import (
	"context"
	"strings"

	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/omflow/settings"
)

// packages checks that the Python has what the server needs beside Django: the driver of
// its database, and the program that runs it. They are imported, since a package may be
// there while a library that it is made of, such as the database's own, is not.
func (s Server) packages(ctx context.Context, read settings.Settings, _ error) Result {
	if read.Python == "" {
		return skipped("settings.py could not be read")
	}
	target, err := read.Database()
	needs := bootstrap.Needs(target.Engine, s.Run)
	if len(needs) == 0 {
		if err != nil {
			return skipped("settings.py names no database that can be used")
		}
		return skipped("nothing is known of what %s needs", target.Engine)
	}
	var modules []string
	for _, need := range needs {
		modules = append(modules, need.Modules...)
	}
	load := s.Import
	if load == nil {
		load = bootstrap.Import
	}
	failures, err := load(ctx, settings.AsOwner(s.Python, s.Home), modules)
	if err != nil {
		return failed("%v", err).advise("run this check as the user that the service runs as, with its environment")
	}
	var there, lacks, install []string
	for _, need := range needs {
		module, why := choose(need.Modules, failures)
		if why == "" {
			there = append(there, module)
			continue
		}
		lacks = append(lacks, module+": "+why)
		install = append(install, need.Package)
	}
	if len(lacks) == 0 {
		return ok("%s", strings.Join(there, ", "))
	}
	return failed("%s can't import %s", s.Python, strings.Join(lacks, "; ")).
		advise("install for this Python what is missing, as it is on the other servers: %s -m pip install %s, or the system's package; or name with `python` the one that runs OMFLOW", s.Python, strings.Join(install, " "))
}

// choose returns the module that does, or the one to speak of, and why it does not: one
// that is there and broken rather than one that is not there.
func choose(modules []string, failures map[string]string) (module, why string) {
	for _, m := range modules {
		reason, fails := failures[m]
		if !fails {
			return m, ""
		}
		if why == "" || why == bootstrap.NotInstalled && reason != why {
			module, why = m, reason
		}
	}
	return module, why
}
