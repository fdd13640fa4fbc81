package guard

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Kinds of guards, the first argument of Main.
const (
	kindLead    = "lead"    // the state file
	kindAddress = "address" // the address with its prefix length, the interface
)

// Main is the guard process. args are what follows the hidden command; the
// result is the exit code: 0 when the guard's work is done, 1 when it could not
// be begun, 2 for arguments that no holder passes.
func Main(args []string) int {
	// See the package's doc comment. A holder's standard error that is gone
	// must not end the guard either, hence PIPE.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("guard", os.Getpid())
	switch {
	case len(args) == 2 && args[0] == kindLead:
		if err := guardLead(args[1], log, sayReady); err != nil {
			log.Error("guard can't work", "error", err)
			return 1
		}
		return 0
	case len(args) == 3 && args[0] == kindAddress:
		if err := guardAddress(args[1], args[2], readyFD, log); err != nil {
			log.Error("guard can't work", "error", err)
			return 1
		}
		return 0
	default:
		fmt.Fprintln(os.Stderr, "this command is for the program itself: it is no use to people")
		return 2
	}
}

// sayReady tells the process that started this one to go on. That it is gone
// meanwhile is when a guard is needed, and no error.
func sayReady() {
	f := os.NewFile(readyFD, "ready")
	_, _ = f.Write([]byte{ready})
	_ = f.Close()
}
