package agent

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/guard"
)

// TestMain lets the test binary stand in for the server that an agent runs.
func TestMain(m *testing.M) {
	if command := guard.Command(); len(os.Args) > len(command) && slices.Equal(os.Args[1:len(command)+1], command) {
		os.Exit(guard.Main(os.Args[len(command)+1:]))
	}
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "child-") {
		child(os.Args[1], os.Args[2:])
		return
	}
	goleak.VerifyTestMain(m)
}

// child is a server: "child-web <address> …" serves, answers /live always and
// /ready unless told otherwise by /unready, tells RUN_MAIN at /env, and hangs after
// /hang.
// "child-fail" exits at once.
func child(mode string, args []string) {
	if mode == "child-fail" {
		fmt.Println("ImportError: no module named django")
		os.Exit(7)
	}
	var hangs, unready atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { hangs.Store(true) })
	mux.HandleFunc("/unready", func(http.ResponseWriter, *http.Request) { unready.Store(true) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("RUN_MAIN")) })
	mux.HandleFunc("/live", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {
		if unready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	err := http.ListenAndServe(args[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			<-r.Context().Done()
			return
		}
		mux.ServeHTTP(w, r)
	}))
	fmt.Println(err)
	os.Exit(1)
}
