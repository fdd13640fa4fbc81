package standin

import (
	"time"

	"github.com/omflow/booster/internal/testbed/interpreter"
)

func cost(interpret, wait float64) interpreter.Cost {
	const ms = float64(time.Millisecond)
	return interpreter.Cost{Interpret: time.Duration(interpret * ms), Wait: time.Duration(wait * ms)}
}

// What requests cost, in milliseconds of the interpreter and outside it. Those
// marked were fitted to measurements of OMFLOW 1.1.0.0 (one client and eight, see
// package interpreter); the others follow from what such a request does.
var (
	costNothing   = cost(1.05, 0.45) // measured: GET /rest/x
	costLoginPage = cost(11.7, 0)    // measured
	costHome      = cost(25, 8)      // measured
	costList      = cost(9.4, 13.6)  // measured
	costCreate    = cost(23, 14)     // measured; an update does the same work
	costPoll      = cost(8, 3)       // measured
	costReady     = cost(2, 2)       // measured: agree/get
	costBadToken  = cost(4, 4)       // measured: 8 ms, alone
	// Checking a password is PBKDF2, which Python runs outside the interpreter.
	costLogin    = cost(20, 80)  // measured: 100 ms, alone
	costSecurity = cost(20, 130) // measured: 150 ms, alone

	costRefused = cost(3, 0) // redirect to the login page, CSRF failure, unknown URL
	costRead    = cost(8, 6)
	costWrite   = cost(15, 10)
	costFile    = cost(12, 12)
	costDeploy  = cost(400, 600) // makemigrations and migrate run inside the request
)
