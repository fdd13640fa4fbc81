package omflow

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/watch"
)

// Folders of OMFLOW Server's home that it changes itself when a flow is deployed.
const (
	deployedCode   = "omformflow/production/"
	deployedModels = "omformmodel/"
	migrations     = "omformmodel/migrations/"
)

// PatchRules say which files of OMFLOW Server's home are the same on all servers: all
// code, templates, translations and licences, but nothing that belongs to one machine
// or one run. Measured on, and read from the code of, OMFLOW 1.1.0.0.
func PatchRules() watch.Rules {
	return watch.Rules{Exclude: []string{
		// Settings differ from machine to machine, and OMFLOW rewrites them when the
		// level of its log is changed.
		"/omflow/settings.py",
		"/logs/", "*.log",
		// What Python compiles, of its own version.
		"__pycache__/", "*.pyc", "*.pyo",
		// Python itself, with paths of this machine in it.
		"/venv/", "/.venv/", "/env/",
		// SQLite's database, beside which no cluster runs.
		"/db.omflow*",
		// Uploads of more than 50 MB are spooled here.
		"/tmp*.upload*",
		// Run and removed by the server when it starts: on the one where it was put.
		"/tmp.py",
		// Attachments are in no release: they are copied all the time.
		"/uploads/",
		// Collected from staticfiles by each server.
		"/static/",
		".git/", ".hg/", ".svn/",
		// What editors write beside a file, and then rename or remove.
		"*.swp", "*.swx", "*~", ".#*", "4913",
	}}
}

// UploadRules say which files of OMFLOW Server's uploads are copied to the others: all
// attachments, but not what is there for a moment while a ticket is opened.
func UploadRules() watch.Rules { return watch.Rules{Exclude: []string{"/temp/"}} }

// IsDeploy reports whether all these paths are of files that OMFLOW Server writes when
// a flow is deployed on it: its process has them in memory then. No paths are none.
func IsDeploy(paths []string) bool {
	return len(paths) > 0 && !slices.ContainsFunc(paths, func(p string) bool {
		return !strings.HasPrefix(p, deployedCode) && !strings.HasPrefix(p, deployedModels)
	})
}

// MustBePublished reports whether a file at this path breaks a server when the others
// do not have it: Django reads all migrations that are there.
func MustBePublished(p string) bool { _, ok := migration(p); return ok }

// CheckRelease says why a release with these paths would keep OMFLOW Server from
// starting: it holds two migrations of one number, as after flows were deployed on two
// servers that did not know of each other. Django then has two ends of its chain of
// migrations and refuses to go on ("Conflicting migrations detected").
func CheckRelease(paths []string) error {
	first := make(map[string]string)
	for _, p := range paths {
		number, ok := migration(p)
		if !ok {
			continue
		}
		if other := first[number]; other != "" && other != p {
			return fmt.Errorf("%s and %s are migrations of one number, of flows that were deployed on two servers at once: deploy one of the flows again, on the lead server, after removing its migration here",
				other, p)
		}
		first[number] = p
	}
	return nil
}

// migration returns the number in the name of a migration of the flows' models.
func migration(p string) (number string, ok bool) {
	if path.Dir(p)+"/" != migrations || path.Ext(p) != ".py" {
		return "", false
	}
	number, _, ok = strings.Cut(path.Base(p), "_")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return "", false
	}
	return number, true
}
