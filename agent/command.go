package agent

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// checkRun refuses a command that makes each server the lead: one that sets the lead's
// environment itself, and Django's own server, which starts OMFLOW with the schedules, whatever its environment says: with --noreload,
// and without, since its reloader sets RUN_MAIN itself. And gunicorn as a daemon, which
// leaves the agent's process group: nobody would end it.
func checkRun(command, leadEnv []string) error {
	names := envNames(leadEnv)
	for _, word := range command {
		if name, _, ok := strings.Cut(word, "="); ok && slices.Contains(names, name) {
			return fmt.Errorf("run: %s makes each server the lead server, so that schedules fire several times: leave it out, the agent adds it where it belongs", word)
		}
	}
	isGunicorn := func(word string) bool { return strings.HasPrefix(filepath.Base(word), "gunicorn") }
	isDaemon := func(word string) bool { return word == "-D" || word == "--daemon" }
	if i := slices.IndexFunc(command, isDaemon); i >= 0 && slices.ContainsFunc(command[:i], isGunicorn) {
		return fmt.Errorf("run: with %s gunicorn goes into the background, where the agent can neither see nor end it: leave it out", command[i])
	}
	if !slices.Contains(command, "runserver") {
		return nil
	}
	return fmt.Errorf("run: %q starts the schedules on each server, so that they would fire several times: write a server for production, as in `run gunicorn --workers 1 --threads 8 --bind 0.0.0.0:8000 omflow.wsgi`, or on Windows `run waitress-serve --threads 8 --port 8000 omflow.wsgi:application`",
		strings.Join(command, " "))
}

// envNames are the variables' names.
func envNames(env []string) []string {
	names := make([]string, 0, len(env))
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		names = append(names, name)
	}
	return names
}

// checkEnv refuses what is no environment variable.
func checkEnv(env []string) error {
	for _, e := range env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsRune(e, 0) {
			return fmt.Errorf("lead_env %q: write NAME=value", e)
		}
	}
	return nil
}
