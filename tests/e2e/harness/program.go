//go:build linux

package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// ProgramVariable names, in the environment, a booster that was built already.
const ProgramVariable = "OMFLOW_BOOSTER_BINARY"

// commandTime is how long a command may take that does not wait for anything.
const commandTime = 60 * time.Second

// Build builds the program into dir, unless the environment names one, and
// returns its path.
func Build(dir string) (string, error) {
	if path := os.Getenv(ProgramVariable); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "booster")
	out, err := exec.Command("go", "build", "-o", path, "github.com/omflow/booster/cmd/booster").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the booster: %w\n%s", err, out)
	}
	return path, nil
}

// Output is what a command said and how it ended.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// Run runs the program to its end. dir is its data folder and working directory.
// One that does not end in time is killed and fails the test.
func Run(t testing.TB, program, dir string, args ...string) Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, environment(dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("run %v: %v, %v\n%s%s", args, err, ctx.Err(), stdout.String(), stderr.String())
	}
	return Output{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// environment keeps a process's files in dir, and marks it and its children as
// belonging there.
func environment(dir string) []string {
	return append(os.Environ(), dataVariable+dir, "XDG_CONFIG_HOME="+dir)
}

const dataVariable = "XDG_DATA_HOME="
