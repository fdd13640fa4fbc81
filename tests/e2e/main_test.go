//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/omflow/booster/tests/e2e/harness"
)

// program is the booster under test. TestMain sets it once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "omflow-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program, err = harness.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// start starts a cluster of the program under test.
func start(t *testing.T, cfg harness.Config) *harness.Cluster {
	t.Helper()
	needProgram(t)
	cfg.Program = program
	return harness.Start(t, cfg)
}

func needProgram(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes take long")
	}
}
