//go:build linux

package netns

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"github.com/omflow/booster/internal/guard"
)

// modeEnv makes the test binary one of the processes of a test.
const modeEnv = "NETNS_TEST_MODE"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(modeEnv) {
	case "":
		os.Exit(m.Run())
	case "guard":
		os.Exit(guard.Main(os.Args[1:]))
	case "node":
		err = nodeMain(os.Args[1])
	case "client":
		err = clientMain(os.Args[1], bufio.NewWriter(os.Stdout))
	case "load":
		err = loadMain(os.Args[1], bufio.NewWriter(os.Stdout))
	case "origin":
		err = originMain(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
