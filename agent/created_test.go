package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/database"
)

const lostFlow = "dc33fb340034418c8fbb3baf15525e86"

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// lostCreate is a create that says this in formitm_1, formitm_2, ….
func lostCreate(id, user string, texts ...string) created.Question {
	q := created.Question{ID: id, Flow: lostFlow, User: user, Columns: map[string]string{}}
	for i, text := range texts {
		q.Columns[fmt.Sprint("formitm_", i+1)] = sumOf(text)
	}
	return q
}

// The end of a process counts for creates that were sent to it, and not for those of the
// one that has taken its place.
func TestEndAfter(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct {
		name           string
		ended, started time.Duration // since the test's start; started 0: nothing has
		sent           time.Duration
		want           bool
		took           time.Duration
	}{
		{"it has ended before the question", 2 * second, 0, second, true, 0},
		{"another one runs by now", 2 * second, 3 * second, second, true, 0},
		{"it was sent to the other one", 2 * second, 3 * second, 4 * second, false, endTime},
		{"the other one had begun when the end was seen", 3 * second, 2 * second, 2*second + second/2, false, endTime},
		{"it ends soon", 6 * second, 0, 4 * second, true, second},
		{"it does not end in time", 9 * second, 0, 4 * second, false, endTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, begun := newLosses(), time.Now()
			at := func(d time.Duration) time.Time { return begun.Add(d) }
			go func() {
				time.Sleep(tt.ended)
				started := time.Time{}
				if tt.started != 0 {
					started = at(tt.started)
				}
				l.ended(time.Now(), started)
			}()
			time.Sleep(5 * second)
			end, ok := l.endAfter(t.Context(), at(tt.sent))
			if ok != tt.want || ok && !end.Equal(at(tt.ended)) {
				t.Errorf("%s: %v, %v", tt.name, end.Sub(begun), ok)
			}
			if took := time.Since(at(5 * second)); took != tt.took {
				t.Errorf("%s: it took %s", tt.name, took)
			}
			time.Sleep(10 * second)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := newLosses().endAfter(ctx, time.Now()); ok {
		t.Error("a process has ended for one who does not wait")
	}
}

func TestKindOf(t *testing.T) {
	columns := []string{"formitm_1", "formitm_2"}
	own := lostCreate("A", "admin", "t", "d")
	for _, tt := range []struct {
		name, user string
		texts      []string
		lost       []created.Question
		want       ticketKind
	}{
		{"its own", "admin", []string{"t", "d"}, nil, ticketEqual},
		{"its own, spelled otherwise", "Admin", []string{"t", "d"}, nil, ticketEqual},
		{"another user's", "bob", []string{"t", "d"}, nil, ticketOther},
		{"with another text", "admin", []string{"t", "x"}, nil, ticketOther},
		{"of another lost create", "admin", []string{"u", "d"}, []created.Question{lostCreate("B", "admin", "u", "d")}, ticketOfAnother},
		{"of two that say the same", "admin", []string{"t", "d"}, []created.Question{lostCreate("B", "admin", "t", "d")}, ticketEqual},
		{"of two others that say the same", "admin", []string{"u", "d"}, []created.Question{lostCreate("B", "admin", "u", "d"), lostCreate("C", "admin", "u", "d")}, ticketOfAnother},
		{"of one that says less", "admin", []string{"t", "d"}, []created.Question{lostCreate("B", "admin", "t")}, ticketOther},
	} {
		ticket := database.CreatedTicket{No: 5, User: tt.user, Texts: tt.texts}
		if got := kindOf(ticket, columns, own, append(tt.lost, own)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestLossesAreBounded(t *testing.T) {
	l, now := newLosses(), time.Now()
	other := lostCreate("other", "admin", "t")
	other.Flow = strings.Repeat("0", 32)
	if _, err := l.note(now, other); err != nil {
		t.Fatal(err)
	}
	for i := range maxLost - 1 {
		same, err := l.note(now, lostCreate(fmt.Sprint("A", i), "admin", "t"))
		if err != nil || len(same) != i+1 {
			t.Fatalf("%d of a flow: %v", len(same), err)
		}
	}
	if _, err := l.note(now, lostCreate("B", "admin", "t")); !errors.Is(err, errTooManyLost) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := l.note(now, lostCreate("A1", "admin", "t")); err != nil {
		t.Errorf("one that is known: %v", err)
	}
	if same, err := l.note(now.Add(lostTime+time.Second), lostCreate("B", "admin", "t")); err != nil || len(same) != 1 {
		t.Errorf("later there are %d: %v", len(same), err)
	}
}

// What an answer says of running statements fits into it, whatever the database says.
func TestPending(t *testing.T) {
	for _, tt := range []struct {
		why, want string
		err       error
	}{
		{},
		{why: "it runs", want: "it runs"},
		{err: errors.New("no"), want: "can't be asked: no"},
		{err: errors.New(strings.Repeat("流", 200)), want: "can't be asked: " + strings.Repeat("流", 61)},
	} {
		a := created.Answer{Pending: pending(tt.why, tt.err)}
		if err := a.Validate(); a.Pending != tt.want || err != nil {
			t.Errorf("%q, %v: %q, %v", tt.why, tt.err, a.Pending, err)
		}
	}
}

// Nobody but boosters is told of tickets.
func TestCreatedForBoosters(t *testing.T) {
	rec := httptest.NewRecorder()
	new(runner).serveCreated(rec, httptest.NewRequest(http.MethodPost, created.LookPath, strings.NewReader("{}")))
	if rec.Code != http.StatusForbidden {
		t.Errorf("HTTP %d", rec.Code)
	}
}
