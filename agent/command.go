package agent

import (
	"fmt"
	"slices"
	"strings"
)

// checkRun refuses a command that makes each server the lead. Django's own server
// starts OMFLOW with the schedules, whatever its environment says: with --noreload,
// and without, since its reloader sets RUN_MAIN itself.
func checkRun(command []string) error {
	if !slices.Contains(command, "runserver") {
		return nil
	}
	return fmt.Errorf("run: %q starts the schedules on each server, so that they would fire several times: write a server for production, as in `run gunicorn --workers 1 --threads 8 --bind 0.0.0.0:8000 omflow.wsgi`, or on Windows `run waitress-serve --threads 8 --port 8000 omflow.wsgi:application`",
		strings.Join(command, " "))
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
