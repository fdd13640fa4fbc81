package agent

import (
	"strings"
	"testing"
)

// TestCheckRunDaemon: what gunicorn does in the background is refused, what other programs
// call -D is not.
func TestCheckRunDaemon(t *testing.T) {
	for command, refused := range map[string]bool{
		"gunicorn --workers 1 -D omflow.wsgi":                       true,
		"/opt/omflow/venv/bin/gunicorn omflow.wsgi --daemon":        true,
		"python3 -m gunicorn -D omflow.wsgi":                        true,
		"gunicorn --workers 1 omflow.wsgi":                          false,
		"apache2 -D FOREGROUND":                                     false,
		"perl -D gunicorn":                                          false,
		"gunicorn --workers 1 --threads 8 --bind :8000 omflow.wsgi": false,
	} {
		err := checkRun(strings.Fields(command), []string{defaultLeadEnv})
		if (err != nil) != refused || err != nil && !strings.Contains(err.Error(), "leave it out") {
			t.Errorf("%s: %v", command, err)
		}
	}
}
