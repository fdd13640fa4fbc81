package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/database"
)

const (
	// endTime is how long the end of a process is waited for whose connection broke.
	endTime = 3 * time.Second
	// startsIn is how long, at least, a process takes from its start to its first request:
	// Python has to load Django, which takes OMFLOW 1.1.0.0 more than a second. A create
	// seems to be younger than it is by the time that the question about it took.
	startsIn = 500 * time.Millisecond
	// clockSlack is how much earlier than a create was sent its ticket may have been made, by
	// a clock that was set back a little meanwhile.
	clockSlack = 2 * time.Second
	// lostTime is how long a create is remembered that was lost with a process, and maxLost
	// how many are: more than all boosters look for at once.
	lostTime = time.Minute
	maxLost  = 1024
)

// losses is what an agent knows of creates that its server's processes had and did not
// answer. Any goroutine may use it.
type losses struct {
	mu sync.Mutex
	// end is when a process, with all of its group, was last seen to be gone; all that ran
	// before gone are. seen is closed at the next.
	end, gone time.Time
	seen      chan struct{}
	lost      map[string]loss // by the question's ID
}

// loss is one of them.
type loss struct {
	created.Question
	asked time.Time
}

func newLosses() *losses { return &losses{seen: make(chan struct{}), lost: make(map[string]loss)} }

// ended notes that a process is gone. started is when the one was started that has taken its
// place, the zero time if there is none yet.
func (l *losses) ended(now, started time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end, l.gone = now, now
	if !started.IsZero() {
		l.gone = started // a create that was sent since then is its
	}
	close(l.seen)
	l.seen = make(chan struct{})
}

// endAfter waits until the process is gone that ran at that time, and returns when it was seen
// to be.
func (l *losses) endAfter(ctx context.Context, at time.Time) (end time.Time, ok bool) {
	patience := time.NewTimer(endTime)
	defer patience.Stop()
	for {
		l.mu.Lock()
		end, gone, seen := l.end, l.gone, l.seen
		l.mu.Unlock()
		if gone.After(at) {
			return end, true
		}
		select {
		case <-seen:
		case <-patience.C:
			return time.Time{}, false
		case <-ctx.Done():
			return time.Time{}, false
		}
	}
}

var errTooManyLost = errors.New("too many creates have lost their server")

// note remembers a create, and returns all that are known of its flow.
func (l *losses) note(now time.Time, q created.Question) ([]created.Question, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.lost, func(_ string, o loss) bool { return now.Sub(o.asked) > lostTime })
	if _, known := l.lost[q.ID]; !known && len(l.lost) >= maxLost {
		return nil, errTooManyLost
	}
	l.lost[q.ID] = loss{q, now}
	var same []created.Question
	for _, o := range l.lost {
		if o.Flow == q.Flow {
			same = append(same, o.Question)
		}
	}
	return same, nil
}

// serveCreated answers a booster that asks what became of a create.
func (r *runner) serveCreated(w http.ResponseWriter, req *http.Request) {
	if _, booster, ok := gossip.Sender(req); !ok || !booster {
		http.Error(w, "boosters ask for creates", http.StatusForbidden)
		return
	}
	var q created.Question
	err := control.Decode(req.Body, created.MaxMessage, &q)
	if err == nil {
		err = q.Validate()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a, err := r.lookCreated(req.Context(), time.Now(), q)
	switch {
	case errors.Is(err, created.ErrRuns):
		http.Error(w, err.Error(), http.StatusConflict)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		control.Answer(w, a)
	}
}

// lookCreated looks for a create's ticket when the process is gone that had it.
func (r *runner) lookCreated(ctx context.Context, now time.Time, q created.Question) (created.Answer, error) {
	sent := now.Add(-q.Age)
	if _, err := r.losses.note(now, q); err != nil {
		return created.Answer{}, err
	}
	end, ok := r.losses.endAfter(ctx, sent.Add(-startsIn))
	if !ok {
		return created.Answer{}, created.ErrRuns
	}
	ended := time.Since(end) // what had ended before the look counts
	var d *data
	if !r.look(func(m *monitor) { d = m.data }) {
		return created.Answer{}, errEnded
	}
	db, err := d.opened()
	if err != nil {
		return created.Answer{}, err
	}
	// What still runs is asked for before the rows are read: what ends in between is among them.
	why := pending(db.Pending(ctx, q.Flow))
	lost, err := r.losses.note(time.Now(), q)
	if err != nil {
		return created.Answer{}, err
	}
	a, err := look(ctx, db, q, lost, sent.Add(-clockSlack))
	a.Ended, a.Pending = ended, why
	return a, err
}

// pending is what an answer says of running statements. That they can't be asked for proves
// nothing, and hides no ticket that the rows show.
func pending(why string, err error) string {
	if err != nil {
		why = "can't be asked: " + err.Error()
	}
	return strings.ToValidUTF8(why[:min(len(why), created.MaxPending)], "")
}

// look sorts the new tickets of a flow by which of the lost creates has opened them.
func look(ctx context.Context, db *database.DB, q created.Question, lost []created.Question, since time.Time) (created.Answer, error) {
	columns := map[string]bool{}
	for _, l := range lost {
		for column := range l.Columns {
			columns[column] = true
		}
	}
	query := database.CreatedQuery{
		Flow: q.Flow, After: q.After, Since: since, Columns: slices.Sorted(maps.Keys(columns)), Limit: created.MaxNumbers,
	}
	kinds := map[int64]ticketKind{}
	err := db.Created(ctx, query, func(t database.CreatedTicket) {
		if kind := kindOf(t, query.Columns, q, lost); kind > kinds[t.No] {
			kinds[t.No] = kind
		}
	})
	if err != nil {
		return created.Answer{}, fmt.Errorf("look for a create's ticket: %w", err)
	}
	var a created.Answer
	for _, no := range slices.Sorted(maps.Keys(kinds)) {
		switch kinds[no] {
		case ticketOther:
			a.Other = append(a.Other, no)
		case ticketEqual:
			a.Equal = append(a.Equal, no)
		}
	}
	return a, nil
}

// ticketKind is what a ticket is for a lost create.
type ticketKind uint8

const (
	ticketOfAnother ticketKind = iota + 1 // of another lost create, surely
	ticketEqual
	ticketOther
)

// kindOf makes out what a ticket is for the create of q. One that two lost creates could
// have opened that don't say the same, since one names fields that the other does not, is
// neither's for sure.
func kindOf(t database.CreatedTicket, columns []string, q created.Question, lost []created.Question) ticketKind {
	sums := make(map[string]string, len(columns))
	for i, column := range columns {
		sum := sha256.Sum256([]byte(t.Texts[i]))
		sums[column] = hex.EncodeToString(sum[:])
	}
	var fits []created.Question
	for _, l := range lost {
		if says(l, t.User, sums) {
			fits = append(fits, l)
		}
	}
	own := slices.ContainsFunc(fits, func(l created.Question) bool { return l.ID == q.ID })
	switch {
	case len(fits) == 0:
		return ticketOther
	case slices.ContainsFunc(fits, func(l created.Question) bool { return !maps.Equal(l.Columns, fits[0].Columns) }):
		return ticketOther
	case own:
		return ticketEqual
	default:
		return ticketOfAnother
	}
}

// says reports whether a create says what a ticket holds. OMFLOW takes a user's name
// without regard to case on some databases.
func says(q created.Question, user string, sums map[string]string) bool {
	if !strings.EqualFold(q.User, user) {
		return false
	}
	for column, sum := range q.Columns {
		if sums[column] != sum {
			return false
		}
	}
	return true
}
