package front

import (
	"context"
	"log/slog"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

// A create whose server died before it had answered is looked for, see package created: its
// client gets the number of the ticket that it has opened, or it is sent once more, to
// another server, when it has surely opened none. Whatever can't be looked for, or is not
// found, is answered as before: nobody knows.

// Seek finds out what became of a create; created.Seeker.Seek is one. It returns when ctx
// ends.
type Seek func(ctx context.Context, lost created.Lost) created.Fate

// What Trace.Create says.
const (
	createFound    = "found"
	createRepeated = "repeated"
	createUnknown  = "unknown"
)

// CreateOutcomes are the values of Trace.Create, but for the empty one.
var CreateOutcomes = [...]string{createFound, createRepeated, createUnknown}

// beginCreate notes a create that is about to be sent.
func (x *passage) beginCreate() {
	if book := x.f.cfg.Created; book != nil && x.owned.opens {
		x.create = book.Begin(x.owned.request.Flow)
	}
}

// endCreate notes that the create has no ticket that anybody was told of, unless it has
// ended already, or was answered with success in a way that is not understood.
func (x *passage) endCreate() {
	switch {
	case x.create == nil:
		return
	case x.answered:
		x.create.Vague()
	default:
		x.create.End(0)
	}
	x.create = nil
}

// seek finds out what became of a create that a server was sent and did not answer: the
// connection broke, as when a server dies, or hangs and is replaced. It reports whether it
// should be sent again, and whether the client was answered.
func (x *passage) seek(server *balance.Server, failure *proxy.Error) (again, answered bool) {
	cfg := &x.f.cfg
	if cfg.Seek == nil || x.create == nil || x.sought || !failure.Sent || x.out.Repeatable || failure.Timeout() {
		return false, false // a server that is silent may still work on it
	}
	lost, ok := x.lostCreate(server)
	if !ok {
		return false, false
	}
	x.sought = true
	x.create.Lose()
	fate := cfg.Seek(x.ctx, lost)
	x.answered = x.answered && fate.Outcome == created.Unknown
	x.trace.Create = createUnknown
	switch {
	case x.ctx.Err() != nil:
		x.gone()
		return false, true
	case fate.Outcome == created.Found:
		x.trace.Create = createFound
		x.log(slog.LevelInfo, "a create's server died, and its ticket was found", server.Name(), failure)
		x.answerFound(fate.No)
		return false, true
	case fate.Outcome == created.Nothing:
		x.trace.Create = createRepeated
		x.log(slog.LevelInfo, "a create's server died before it had opened a ticket; it is sent again", server.Name(), failure)
		x.noteUnsent()
		x.avoid(server)
		return true, false
	default:
		return false, false
	}
}

// lostCreate is what is known of the create. It reports false when its ticket could not be
// recognised.
func (x *passage) lostCreate(server *balance.Server) (created.Lost, bool) {
	broker, entry := x.broker(), x.create
	if broker == nil || x.rest.login == nil || entry.Flow() == "" {
		return created.Lost{}, false
	}
	lost := created.Lost{Server: server.Name(), Flow: entry.Flow(), User: broker.User(x.rest.login), After: entry.After(), Sent: entry.Sent()}
	body, ok := x.wholeBody()
	if !ok || lost.User == "" {
		return created.Lost{}, false
	}
	lost.Columns, ok = x.f.cfg.Table.Opened(&x.view, body)
	return lost, ok
}

// answerFound answers a create with the number of its ticket.
func (x *passage) answerFound(no int64) {
	if o := &x.owned; o.number != 0 {
		// Not now: another process runs there by now, which has nothing of it.
		x.f.cfg.Owners.Done(x.create.Sent(), o.number, no)
		o.number = 0
	}
	x.trace.Err = nil
	page := x.f.cfg.Table.CreatedPage(no, &x.view)
	x.answer(page)
}

// answer sends a page of ours.
func (x *passage) answer(page omflow.Page) {
	x.trace.Status = page.Status
	x.timing()
	mayEnd(x.w, x.client, x.trace)
	if err := page.Send(x.w); err != nil {
		x.f.cfg.Logger.Debug("answer not taken", "error", err)
	}
}
