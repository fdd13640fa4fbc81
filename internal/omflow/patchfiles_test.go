package omflow

import (
	"strings"
	"testing"
)

func TestPatchRules(t *testing.T) {
	rules, err := PatchRules().Compile()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"manage.py":                               true,
		"omflow/urls.py":                          true,
		"omflow/syscom/license.bin":               true,
		"omflow/syscom/version.bin":               true,
		"omformflow/production/u/1/main.py":       true,
		"omformmodel/models.py":                   true,
		"omformmodel/migrations/0002_auto.py":     true,
		"templates/base.html":                     true,
		"staticfiles/omflow/logo.png":             true,
		"locale/zh_Hant/LC_MESSAGES/django.mo":    true,
		"other/settings.py":                       true,
		"other/tmp.py":                            true,
		"other/static/x.css":                      true,
		"omflow/settings.py":                      false,
		"logs/omflow.log":                         false,
		"omflow/__pycache__/urls.cpython-311.pyc": false,
		"omflow/urls.pyc":                         false,
		"db.omflow":                               false,
		"db.omflow-journal":                       false,
		"tmpab12.upload":                          false,
		"tmp8.upload.zip":                         false,
		"tmp.py":                                  false,
		"static/admin/x.css":                      false,
		"uploads/omformflow/f/1/2/a.pdf":          false,
		".git/HEAD":                               false,
		"venv/bin/python":                         false,
		"omflow/.urls.py.swp":                     false,
	} {
		if got := rules.Covers(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestIsDeploy(t *testing.T) {
	for _, tt := range []struct {
		paths []string
		want  bool
	}{
		{nil, false},
		{[]string{"omformflow/production/u/1/main.py", "omformmodel/models.py", "omformmodel/migrations/0002_a.py"}, true},
		{[]string{"omformmodel/models.py", "omflow/urls.py"}, false},
		{[]string{"omformflow/views.py"}, false},
		{[]string{"omformmodels/x.py"}, false},
	} {
		if got := IsDeploy(tt.paths); got != tt.want {
			t.Errorf("%v: %v", tt.paths, got)
		}
	}
}

func TestCheckRelease(t *testing.T) {
	const dir = "omformmodel/migrations/"
	for _, tt := range []struct {
		name  string
		paths []string
		want  string
	}{
		{"a chain", []string{dir + "0001_initial.py", dir + "0002_auto.py", dir + "__init__.py", dir + "0010_x.py"}, ""},
		{"two leaves", []string{dir + "0001_initial.py", dir + "0002_a.py", "omflow/0002_c.py", dir + "0002_b.py"}, dir + "0002_a.py and " + dir + "0002_b.py"},
		{"other folders", []string{"accounts/migrations/0002_a.py", "accounts/migrations/0002_b.py", dir + "old/0002_a.py", dir + "0002_b.py"}, ""},
		{"no migrations", []string{dir + "0002_a.txt", dir + "0002_b.py", dir + "x_a.py", dir + "_a.py", dir + "x_b.py", dir + "0002.py"}, ""},
	} {
		err := CheckRelease(tt.paths)
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if MustBePublished(dir+"__init__.py") || !MustBePublished(dir+"0002_a.py") {
		t.Error("which files must be in a release is wrong")
	}
}
