package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/testbed/database"
)

// Folders and files of OMFLOW's home that the engine reads and writes.
const (
	modelsFile    = "omformmodel/models.py"
	migrationsDir = "omformmodel/migrations"
	productionDir = "omformflow/production"
	settingsFile  = "omflow/settings.py"
	uploadsDir    = "uploads"
	tempDir       = "uploads/temp"
	filesDir      = "uploads/omformflow"
)

// maxSource bounds the source files that are read: they may come from another
// server.
const maxSource = 16 << 20

var (
	modelClass     = regexp.MustCompile(`(?m)^class Omdata_([0-9a-f]{32})\(models\.Model\):`)
	raises         = regexp.MustCompile(`(?m)^raise\b`)
	migrationName  = regexp.MustCompile(`^([0-9]{4})_\w+\.py$`)
	migrationAfter = regexp.MustCompile(`\('omformmodel', '(\w+)'\)`)
	stepsLine      = regexp.MustCompile(`(?m)^STEPS = (.*)$`)
)

// install fills an empty home folder with what OMFLOW comes with. A folder that
// has models.py is left as it is, and so is one that has settings.py.
func install(cfg Config) error {
	for _, dir := range []string{migrationsDir, productionDir, tempDir, path.Dir(settingsFile), "logs"} {
		if err := os.MkdirAll(filepath.Join(cfg.Home, filepath.FromSlash(dir)), 0o755); err != nil {
			return fmt.Errorf("creating the home folder: %w", err)
		}
	}
	root, err := os.OpenRoot(cfg.Home)
	if err != nil {
		return fmt.Errorf("opening the home folder: %w", err)
	}
	defer root.Close()
	settings, err := settingsSource(cfg)
	if err != nil {
		return err
	}
	if err := writeMissing(root, settingsFile, func() (string, error) { return settings, nil }); err != nil {
		return err
	}
	// models.py comes last: it is the mark that the rest is there.
	return writeMissing(root, modelsFile, func() (string, error) {
		models := modelsHeader
		for _, w := range Shipped() {
			for _, d := range w.Flows {
				models += modelSource(d.UUID)
				if err := writeCode(root, d.UUID, 1, d.Steps); err != nil {
					return "", err
				}
			}
		}
		return models, write(root, migrationsDir+"/0001_initial.py", migrationSource("", ""))
	})
}

// writeMissing writes a file that is not there.
func writeMissing(root *os.Root, name string, text func() (string, error)) error {
	_, err := root.Stat(filepath.FromSlash(name))
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking into the home folder: %w", err)
	}
	src, err := text()
	if err != nil {
		return err
	}
	return write(root, name, src)
}

const modelsHeader = "from django.db import models\n\n"

func modelSource(uuid string) string {
	return "\nclass Omdata_" + uuid + "(models.Model):\n    data_no = models.IntegerField()\n"
}

func migrationSource(after, uuid string) string {
	s := "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n    dependencies = ["
	if after != "" {
		s += "('omformmodel', '" + after + "')"
	}
	s += "]\n    operations = ["
	if uuid != "" {
		s += "migrations.CreateModel(name='Omdata_" + uuid + "')"
	}
	return s + "]\n"
}

func write(root *os.Root, name, text string) error {
	if err := root.WriteFile(filepath.FromSlash(name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func read(root *os.Root, name string) (string, error) {
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	if info.Size() > maxSource {
		return "", fmt.Errorf("reading %s: %d bytes are too many", name, info.Size())
	}
	b, err := root.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return string(b), nil
}

func loadModels(root *os.Root) (map[string]bool, error) {
	src, err := read(root, modelsFile)
	if err != nil {
		return nil, err
	}
	if raises.MatchString(src) {
		return nil, fmt.Errorf("%s raises an exception, as Python would", modelsFile)
	}
	models := map[string]bool{}
	for _, m := range modelClass.FindAllStringSubmatch(src, -1) {
		models[m[1]] = true
	}
	return models, nil
}

func codeFile(uuid string, version int) string {
	return path.Join(productionDir, uuid, fmt.Sprint(version), "main.py")
}

func writeCode(root *os.Root, uuid string, version int, steps []database.Step) error {
	name := codeFile(uuid, version)
	if err := root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755); err != nil {
		return fmt.Errorf("creating %s: %w", path.Dir(name), err)
	}
	text, err := json.Marshal(steps)
	if err != nil {
		return fmt.Errorf("encoding the steps of a flow: %w", err)
	}
	return write(root, name, "# Steps of the flow; work in nanoseconds, 0 is a form.\nSTEPS = "+string(text)+"\n")
}

func loadCode(root *os.Root, uuid string, version int) ([]database.Step, error) {
	src, err := read(root, codeFile(uuid, version))
	if err != nil {
		return nil, err
	}
	return parseCode(src)
}

func parseCode(src string) ([]database.Step, error) {
	m := stepsLine.FindStringSubmatch(src)
	if m == nil {
		return nil, errors.New("main.py has no line STEPS =")
	}
	var steps []database.Step
	if err := json.Unmarshal([]byte(m[1]), &steps); err != nil {
		return nil, fmt.Errorf("parsing the steps in main.py: %w", err)
	}
	for _, s := range steps {
		if s.Work < 0 || s.Pause < 0 {
			return nil, fmt.Errorf("step %q in main.py works for %v and rests for %v", s.Name, s.Work, s.Pause)
		}
	}
	return steps, nil
}

// migrationLeaves returns the migrations that no other one follows, and the
// highest number in use.
func migrationLeaves(root *os.Root) (leaves []string, last int, err error) {
	entries, err := fs.ReadDir(root.FS(), migrationsDir)
	if err != nil {
		return nil, 0, fmt.Errorf("listing migrations: %w", err)
	}
	followed := map[string]bool{}
	for _, entry := range entries {
		m := migrationName.FindStringSubmatch(entry.Name())
		if m == nil {
			continue
		}
		var n int
		fmt.Sscanf(m[1], "%d", &n) // four digits, says the expression
		last = max(last, n)
		leaves = append(leaves, strings.TrimSuffix(entry.Name(), ".py"))
		src, err := read(root, path.Join(migrationsDir, entry.Name()))
		if err != nil {
			return nil, 0, err
		}
		for _, after := range migrationAfter.FindAllStringSubmatch(src, -1) {
			followed[after[1]] = true
		}
	}
	return slices.DeleteFunc(leaves, func(l string) bool { return followed[l] }), last, nil
}
