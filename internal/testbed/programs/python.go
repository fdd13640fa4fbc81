package programs

import (
	"os"
	"os/exec"
	"testing"
)

// PythonEnv is the environment variable that makes Python fail a test, instead of skipping
// it, when its value is "required" and there is no Python.
const PythonEnv = "OMFLOW_TEST_PYTHON"

// Python returns the path of python3. Without one it skips the test, or ends it as failed
// where PythonEnv says so. It is to be called by the test's own goroutine.
func Python(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	switch {
	case err == nil:
	case os.Getenv(PythonEnv) == "required":
		t.Fatalf("%s=required: %v", PythonEnv, err)
	default:
		t.Skip("python3 is not installed here")
	}
	return path
}
