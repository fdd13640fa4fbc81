package rollout

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/omflow/booster/internal/rollout/owners"
)

// When a question was made is proved by the answer that it repeats, and no later than that.
func TestMade(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name  string
		ask   func(first, second uint64) Ask // of answers given at 10 and 11
		want  float64                        // 0: nothing is proved
		after float64                        // of the first answer, repeated in the next question
	}{
		{"the last one", func(_, second uint64) Ask { return Ask{Answer: second, Since: s} }, 12, 0},
		{"the one before, since the last was lost", func(first, _ uint64) Ask { return Ask{Answer: first, Since: 3 * s} }, 13, 10},
		{"at once", func(_, second uint64) Ask { return Ask{Answer: second} }, 11, 0},
		{"from the future", func(_, second uint64) Ask { return Ask{Answer: second, Since: math.MaxInt64} }, 20, 0},
		{"another booster's", func(first, second uint64) Ask { return Ask{Answer: first ^ second, Since: s} }, 0, 10},
		{"none", func(uint64, uint64) Ask { return Ask{} }, 0, 10},
	} {
		var a answers
		first, second := a.give(at(10)), a.give(at(11))
		got := a.made(at(20), tt.ask(first, second))
		if got.IsZero() != (tt.want == 0) || tt.want != 0 && !got.Equal(at(tt.want)) {
			t.Errorf("%s: made at %s", tt.name, got.Sub(at(0)))
		}
		// One that is overtaken by another proves nothing.
		if again := a.made(at(20), Ask{Answer: first}); again.IsZero() != (tt.after == 0) {
			t.Errorf("%s: the first answer is still known: %t", tt.name, !again.IsZero())
		}
	}
}

// An agent whose answers are lost repeats the last one that it had, however many there are.
func TestManyLostAnswers(t *testing.T) {
	var a answers
	had := a.give(at(1))
	for i := range 10 * maxGiven {
		a.give(at(2 + float64(i)))
		if got := a.made(at(1000), Ask{Answer: had, Since: time.Second}); !got.Equal(at(2)) {
			t.Fatalf("after %d answers: made at %s", i, got.Sub(at(0)))
		}
	}
	if len(a.list) > maxGiven {
		t.Errorf("%d answers are kept", len(a.list))
	}
}

// asleep is a time at which the monotonic clock has stood still for d before, and the wall
// clock has gone on: what [time.Now] returns on a machine that was suspended, and what no
// arithmetic on times makes. A Time keeps the monotonic clock in its second word.
func asleep(t time.Time, d time.Duration) time.Time {
	t = t.Add(d)
	(*struct {
		wall uint64
		ext  int64
	})(unsafe.Pointer(&t)).ext -= int64(d)
	return t
}

// A booster whose machine was suspended does not take what it was told before for what was
// so when it woke.
func TestSuspended(t *testing.T) {
	const s = time.Second
	begun := time.Now()
	says := func(a *answers) Ask { return Ask{Server: "s1", Grant: 5, Offer: 7, Runs: Lead, Answer: a.give(begun)} }
	for name, tt := range map[string]struct {
		heard time.Time // a question that was made 2 s after the answer
		now   time.Time
		want  time.Duration // that the lead process surely ran, at most, before now
	}{
		"never":                 {begun.Add(2 * s), begun.Add(10 * s), 8 * s},
		"after it was told":     {begun.Add(2 * s), asleep(begun.Add(10*s), 60*s), 68 * s},
		"before it was told":    {asleep(begun.Add(1*s), 60*s), asleep(begun.Add(10*s), 60*s), 69 * s},
		"its wall clock is set": {begun.Add(2 * s), asleep(begun.Add(10*s), -60*s), 8 * s},
	} {
		var a answers
		var l lease
		l.give(begun.Add(-s), "s1", 7, 5, nil)
		ask := says(&a)
		ask.Since = 2 * s
		l.heard(tt.heard, a.made(tt.heard, ask), ask, false, true)
		l.end(tt.now, time.Time{}, 0)
		if got := l.vacant.told(tt.now); got == nil || got.Ran != tt.want || got.Ended != 0 {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}

// What a late question says of a server without a process does not hold for when it is
// heard: one may have been started since.
func TestLateWordOfNoProcess(t *testing.T) {
	c, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	a := c.agents.take(at(10), Ask{Server: "s1", Candidate: true})
	ask := Ask{Server: "s1", Candidate: true, Answer: a.answers.give(at(10)), Since: time.Second}
	c.agents.take(at(14), ask) // 3 s on its way
	for seconds, want := range map[float64]Fate{10.9: Dead, 11: Unknown, 13: Unknown} {
		if got := c.fate(at(14), []owners.Claim{{Server: "s1", At: at(seconds)}}, ""); got != want {
			t.Errorf("what it took at %g is %s, want %s", seconds, got, want)
		}
	}
}

// A question that was long on its way makes no process younger, so that nothing that one
// has taken before is taken for another's.
func TestLateWordOfAProcess(t *testing.T) {
	c, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	ask := Ask{Server: "s1", Candidate: true, Runs: Follower, Age: time.Second}
	a := c.agents.take(at(10), ask) // it was started at 9, or before
	if a.sure {
		t.Error("the first word proves something")
	}
	ask.Age, ask.Answer, ask.Since = 6*time.Second, a.answers.give(at(10)), 5*time.Second
	c.agents.take(at(25), ask) // made at 15
	if a.died || !a.sure || !a.born().Equal(at(9)) || !a.started.Equal(at(9)) {
		t.Errorf("died %t, born %s, started %s, sure %t", a.died, a.born().Sub(at(0)), a.started.Sub(at(0)), a.sure)
	}
	for seconds, want := range map[float64]Fate{8.9: Dead, 9: Living, 12: Living} {
		if got := c.fate(at(25), []owners.Claim{{Server: "s1", At: at(seconds)}}, ""); got != want {
			t.Errorf("what it took at %g is %s, want %s", seconds, got, want)
		}
	}
}

// TestQuickDeaths: a server that dies again and again is another process each time, however
// little lies between, and what one of them had is not the next one's.
func TestQuickDeaths(t *testing.T) {
	c, err := New(testConfig())
	if err != nil {
		t.Fatal(err)
	}
	say := func(now, age float64) *asker { // each proves when it was made
		ask := Ask{Server: "s1", Candidate: true, Runs: Follower, Age: time.Duration(age * float64(time.Second))}
		if a := c.agents["s1"]; a != nil {
			ask.Answer = a.answers.give(at(now - 1))
		}
		return c.agents.take(at(now), ask)
	}
	say(100, 50)
	for _, step := range []struct {
		now, age float64
		died     bool
	}{
		{101, 51, false},
		{101.6, 0, true}, {102.6, 0, false}, // it has no process
		{103.1, 0.3, false}, {103.9, 1.1, false}, // since 102.8
		{104.1, 0, true}, {105.1, 0, false}, // it has ended at 104
		{106.3, 0.2, false}, {107.3, 1.2, false}, // since 106.1
	} {
		a := say(step.now, step.age)
		if a.died != step.died {
			t.Errorf("at %g: died %t", step.now, a.died)
		}
		a.died = false
	}
	for seconds, want := range map[float64]Fate{101.5: Dead, 103.95: Dead, 106.2: Living} {
		if got := c.fate(at(107.3), []owners.Claim{{Server: "s1", At: at(seconds)}}, ""); got != want {
			t.Errorf("what it took at %g is %s, want %s", seconds, got, want)
		}
	}
}

// When a process was started is known by the message that was fastest until one proves it,
// then by the one that proves the latest, and counts anew for another process.
func TestStarted(t *testing.T) {
	g := make(agents)
	for _, tt := range []struct {
		now, age float64
		made     float64 // as proved; 0: it is not
		runs     Part
		want     float64 // -1: no process
		sure     bool
	}{
		{10, 5, 0, Follower, 5, false}, {11, 6.5, 0, Follower, 4.5, false}, {12, 7, 0, Follower, 4.5, false},
		{13, 8.5, 12.9, Follower, 4.4, true}, {14, 9.5, 13.8, Follower, 4.4, true}, {15, 10, 0, Follower, 4.4, true},
		{16, 0, 15.9, "", -1, false},
		{17, 0.5, 0, Follower, 16.5, false}, {19, 2.5, 18.9, Lead, 16.4, true}, {20, 3.6, 0, Lead, 16.4, true},
		{28, 1, 27.9, Lead, 26.9, true}, {29, 1, 0, Lead, 26.9, true},
	} {
		ask := Ask{Server: "s1", Candidate: true, Runs: tt.runs, Age: time.Duration(tt.age * float64(time.Second))}
		if tt.runs == Lead {
			ask.Grant = 1
		}
		if tt.made != 0 {
			ask.Answer = g["s1"].answers.give(at(tt.made))
		}
		a := g.take(at(tt.now), ask)
		started := a.started
		if tt.want < 0 && !started.IsZero() || tt.want >= 0 && started.Sub(at(tt.want)).Abs() > time.Millisecond || a.sure != tt.sure {
			t.Errorf("at %g: started %s, sure %t", tt.now, started.Sub(at(0)), a.sure)
		}
	}
}
