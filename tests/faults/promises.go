package faults

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/omflow/booster/internal/testbed/client"
)

// Promise is something that several servers behind the booster do like one.
type Promise struct {
	// Name tells it from others; it is short and has no blanks.
	Name string
	// Says is the promise, in words for a test's log.
	Says string
	// Check returns nil when the promise holds, a *Broken when it does not, and any
	// other error when it could not find out.
	Check func(context.Context, Door) error
}

// Broken is a promise that does not hold.
type Broken struct{ What string }

// Error implements error.
func (b *Broken) Error() string { return "the promise is broken: " + b.What }

func broken(format string, args ...any) error { return &Broken{fmt.Sprintf(format, args...)} }

// Promises returns all of them. Those that restart servers or the database come last.
func Promises() []Promise {
	return []Promise{
		{"token", "a REST token is good for every call", checkToken},
		{"rest-session", "a REST call with a browser's cookies leaves its session alone", checkRESTSession},
		{"chunked", "a body without a length arrives", checkChunked},
		{"settings-hole", "a stranger gets no system settings", checkSettingsHole},
		{"files-hole", "nobody gets files from outside the uploads", checkFilesHole},
		{"new-flow", "a flow that was deployed takes tickets at once", checkNewFlow},
		{"disabled-flow", "a flow that was disabled takes no tickets", checkDisabledFlow},
		{"undeployed-flow", "a flow that was undeployed takes no tickets", checkUndeployedFlow},
		{"flow-switches", "two changes of one flow both survive", checkFlowSwitches},
		{"sidebar", "two changes of the menu both survive", checkSidebar},
		{"parameter", "a changed parameter is what flows see", checkParameter},
		{"attachment-kept", "an attachment can be listed and fetched every time", checkAttachmentKept},
		{"attachments-apart", "each ticket has its own attachment, whatever comes in the same second", checkAttachmentsApart},
		{"schedule-once", "a schedule fires once, however many servers there are", checkScheduleOnce},
		{"pauses", "a ticket goes on after a pause, whichever server ran it", checkPauses},
		{"schedule-deleted", "a deleted schedule stays deleted", checkScheduleDeleted},
		{"create-honest", "a create that is answered with success has made a ticket", checkCreateHonest},
		{"restart-queue", "restarts run no step twice", checkRestartQueue},
		{"killed-queue", "a killed server's tickets are resumed once", checkKilledQueue},
		{"schedule-kill", "a schedule fires once for each of its times, also when servers are killed", checkScheduleKill},
		{"ended-queue", "a step that had ended when its server was killed is not run again", checkEndedQueue},
		{"stranded-new", "a ticket that its server had opened and not queued when it was killed is resumed once", checkStrandedNew},
		{"stranded-step", "a ticket that was between two steps when its server was killed is resumed once", checkStrandedStep},
		{"database-restart", "tickets go on after the database was away", checkDatabaseRestart},
	}
}

// newTitle is a title that no other ticket has.
func newTitle(what string) string { return what + " " + rand.Text() }

// tickets counts the tickets of a title.
func (d Door) tickets(title string) (int, error) {
	n, err := d.Truth.TicketsByTitle(title)
	if err != nil {
		return 0, fmt.Errorf("counting tickets: %w", err)
	}
	return n[title], nil
}

// undo runs what brings the cluster back to how it was, also when ctx is over, and
// joins its error to the check's: a cluster that is left changed would break other
// checks.
func undo(ctx context.Context, err *error, do func(context.Context) error) {
	if failed := do(context.WithoutCancel(ctx)); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("undoing a change: %w", failed))
	}
}

// accepted counts the answers that say that something was done.
func accepted(answers []client.Answer) int {
	n := 0
	for _, a := range answers {
		if a.OK() {
			n++
		}
	}
	return n
}

// firstRefusal describes an answer that says that it was not.
func firstRefusal(answers []client.Answer) string {
	for _, a := range answers {
		if !a.OK() {
			return fmt.Sprintf("HTTP %d, status %d: %s", a.Code, a.Status, a.Message)
		}
	}
	return ""
}
