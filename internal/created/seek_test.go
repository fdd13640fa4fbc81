package created

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// look is what the agent and the boosters say at one look.
type look struct {
	ended        time.Duration
	equal, other []int64
	open         []int64 // of both
	lookErr, err error   // of the agent, of the boosters
	slow         time.Duration
	pending      string
	reserveErr   error
}

// scene are the looks, of which the last one goes on, and numbers that are reserved.
type scene struct {
	looks    []look
	reserved map[int64]bool
	mu       sync.Mutex
	looked   int
	now      look
}

func (s *scene) seeker(t *testing.T) *Seeker {
	t.Helper()
	seeker, err := New(Config{
		Look: func(ctx context.Context, server string, q Question) (Answer, error) {
			if err := q.Validate(); err != nil || server != "s1" {
				t.Errorf("server %s is asked: %v", server, err)
			}
			s.mu.Lock()
			slow := s.looks[min(s.looked, len(s.looks)-1)].slow
			s.mu.Unlock()
			select {
			case <-time.After(slow):
			case <-ctx.Done():
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.now = s.looks[min(s.looked, len(s.looks)-1)]
			s.looked++
			return Answer{Ended: s.now.ended, Equal: s.now.equal, Other: s.now.other, Pending: s.now.pending}, s.now.lookErr
		},
		Settle: func(_ context.Context, q Settle, _ time.Time) ([]int64, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(q.Numbers) != len(s.now.equal)+len(s.now.other) {
				t.Errorf("boosters are asked for %v", q.Numbers)
			}
			return s.now.open, s.now.err
		},
		Reserve: func(_ context.Context, r Reserve) (bool, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.reserved[r.No] || s.now.reserveErr != nil {
				return false, s.now.reserveErr
			}
			if s.reserved == nil {
				s.reserved = map[int64]bool{}
			}
			s.reserved[r.No] = true
			return true, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return seeker
}

func lost() Lost {
	return Lost{Server: "s1", Flow: flowA, User: "admin", Columns: map[string]string{"formitm_1": strings.Repeat("0", 64)}, Sent: time.Now()}
}

var errAway = errors.New("away")

func TestSeek(t *testing.T) {
	for _, tt := range []struct {
		name     string
		looks    []look
		reserved map[int64]bool
		want     Fate
		looked   int
		took     time.Duration
	}{
		{"its ticket is there", []look{{equal: []int64{5}, open: []int64{5}}}, nil, Fate{Found, 5}, 1, 0},
		{"others were answered", []look{{equal: []int64{4, 5}, other: []int64{6}, open: []int64{5}}}, nil, Fate{Found, 5}, 1, 0},
		{"another one has it, and there is one more", []look{{equal: []int64{4, 5}, open: []int64{4, 5}}}, map[int64]bool{4: true}, Fate{Found, 5}, 1, 0},
		{"it comes late", []look{{}, {ended: 2 * time.Second, equal: []int64{5}, open: []int64{5}}}, nil, Fate{Found, 5}, 2, 2 * time.Second},
		{"and even later", []look{{}, {ended: 2 * time.Second}, {ended: 3 * time.Second, equal: []int64{5}, open: []int64{5}}}, nil, Fate{Found, 5}, 3, 3 * time.Second},
		{"nothing is there", []look{{}, {ended: 2 * time.Second}, {ended: 3 * time.Second}}, nil, Fate{Outcome: Nothing}, 3, 3 * time.Second},
		{"only what was answered", []look{{ended: 2 * time.Second, equal: []int64{4}, other: []int64{6}}, {ended: 3 * time.Second, equal: []int64{4}}}, nil, Fate{Outcome: Nothing}, 2, time.Second},
		{"another one has it", []look{{ended: 2 * time.Second, equal: []int64{5}, open: []int64{5}}}, map[int64]bool{5: true}, Fate{Outcome: Nothing}, 2, time.Second},
		{"something that nobody was told of", []look{{ended: 2 * time.Second, other: []int64{6}, open: []int64{6}}}, nil, Fate{}, 10, SeekTime},
		{"until somebody was", []look{
			{ended: 2 * time.Second, other: []int64{6}, open: []int64{6}}, {ended: 3 * time.Second, other: []int64{6}}, {ended: 4 * time.Second, other: []int64{6}},
		}, nil, Fate{Outcome: Nothing}, 3, 2 * time.Second},
		{"nothing, and then something", []look{{ended: 2 * time.Second}, {ended: 3 * time.Second, other: []int64{6}, open: []int64{6}}, {ended: 4 * time.Second}, {ended: 5 * time.Second}},
			nil, Fate{Outcome: Nothing}, 4, 3 * time.Second},
		{"a statement is held up", []look{{ended: 2 * time.Second, pending: "it waits"}, {ended: 5 * time.Second, equal: []int64{5}, open: []int64{5}}}, nil, Fate{Found, 5}, 2, time.Second},
		{"a statement is held up for ever", []look{{ended: 2 * time.Second}, {ended: 3 * time.Second, pending: "it waits"}}, nil, Fate{}, 10, SeekTime},
		{"slow looks", []look{{ended: 2 * time.Second, slow: quickTime}}, nil, Fate{}, 5, SeekTime},
		{"the number is noted in some books", []look{{ended: 2 * time.Second, equal: []int64{5}, open: []int64{5}, reserveErr: errAway}}, nil, Fate{}, 10, SeekTime},
		{"no agent", []look{{lookErr: errAway}}, nil, Fate{}, 1, 0},
		{"it runs", []look{{lookErr: ErrRuns}}, nil, Fate{}, 2, 0},
		{"it seems to run", []look{{lookErr: ErrRuns}, {equal: []int64{5}, open: []int64{5}}}, nil, Fate{Found, 5}, 2, 0},
		{"no other booster", []look{{ended: 2 * time.Second, equal: []int64{5}, open: []int64{5}, err: errAway}}, nil, Fate{}, 10, SeekTime},
		{"no other booster for a while", []look{{equal: []int64{5}, err: errAway}, {ended: 2 * time.Second, equal: []int64{5}, open: []int64{5}}}, nil, Fate{Found, 5}, 2, 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scene{looks: tt.looks, reserved: tt.reserved}
			begun := time.Now()
			if got := s.seeker(t).Seek(t.Context(), lost()); got != tt.want {
				t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
			}
			if took := time.Since(begun); took != tt.took || s.looked < tt.looked || s.looked > tt.looked+1 || took < SeekTime && s.looked != tt.looked {
				t.Errorf("%s: %d looks in %s, want %d in %s", tt.name, s.looked, took, tt.looked, tt.took)
			}
		})
	}
}

// Of creates that say the same each gets a ticket of its own, and those that are left have
// opened none.
func TestSeekSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{looks: []look{{ended: Grace, equal: []int64{5, 6}, open: []int64{5, 6}}}}
		seeker := s.seeker(t)
		fates := make(chan Fate, 5)
		for range cap(fates) {
			go func() { fates <- seeker.Seek(t.Context(), lost()) }()
		}
		count := map[Fate]int{}
		for range cap(fates) {
			count[<-fates]++
		}
		if count[Fate{Found, 5}] != 1 || count[Fate{Found, 6}] != 1 || count[Fate{Outcome: Nothing}] != 3 {
			t.Errorf("%v", count)
		}
	})
}

func TestSeekBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{looks: []look{{ended: Grace}}}
		seeker := s.seeker(t)
		fates := make(chan Fate, MaxSeeks+1)
		for range cap(fates) {
			go func() { fates <- seeker.Seek(t.Context(), lost()) }()
		}
		count := map[Fate]int{}
		for range cap(fates) {
			count[<-fates]++
		}
		if count[Fate{}] != 1 || count[Fate{Outcome: Nothing}] != MaxSeeks {
			t.Errorf("%v", count)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if got := seeker.Seek(ctx, lost()); got != (Fate{}) {
			t.Errorf("of a client that has gone: %+v", got)
		}
	})
}

func TestValidate(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a seeker without anything is made")
	}
	sum := strings.Repeat("a", 64)
	well := func() Question {
		return Question{ID: "A1", Flow: flowA, User: "u", Columns: map[string]string{"formitm_1": sum}}
	}
	if err := well().Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Question){
		"id": func(q *Question) { q.ID = "'" }, "flow": func(q *Question) { q.Flow = "x" }, "user": func(q *Question) { q.User = "" },
		"age": func(q *Question) { q.Age = -1 }, "after": func(q *Question) { q.After = -1 }, "no columns": func(q *Question) { q.Columns = nil },
		"column": func(q *Question) { q.Columns = map[string]string{"title; --": sum} }, "sum": func(q *Question) { q.Columns = map[string]string{"formitm_1": "x"} },
	} {
		q := well()
		if change(&q); q.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, message := range map[string]interface{ Validate() error }{
		"answer": Answer{Ended: -1}, "long answer": Answer{Equal: make([]int64, MaxNumbers+1)}, "settle": Settle{For: "Q", Flow: "x"}, "settle for nobody": Settle{Flow: flowA}, "reserve for nobody": Reserve{Flow: flowA, No: 1},
		"long settle": Settle{For: "Q", Flow: flowA, Numbers: make([]int64, MaxNumbers+1)}, "reserve": Reserve{For: "Q", Flow: flowA}, "flow": Reserve{For: "Q", Flow: "", No: 1},
	} {
		if message.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
