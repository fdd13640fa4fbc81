package owners

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	flowA = "dc33fb340034418c8fbb3baf15525e86"
	flowB = "7f811b732ddf44d4995aeffdc56ad2ba"
)

var begin = time.Now()

// at is a moment of the test's time, in seconds.
func at(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second)))
}

// noted writes down that a server has carried a request out.
func noted(b *Book, seconds float64, server string, r Request, no int64) {
	b.Done(at(seconds), b.Sent(at(seconds-0.1), server, r), no)
}

// told is what is claimed of one ticket, as server@second, with a ? for perhaps.
func told(b *Book, seconds float64, t Ticket) string {
	claims := b.Claims(at(seconds), []Ticket{t}, paths)[0]
	var texts []string
	for _, c := range claims {
		text := fmt.Sprintf("%s@%g", c.Server, c.At.Sub(begin).Round(100*time.Millisecond).Seconds())
		if c.Perhaps {
			text += "?"
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

// paths is a directory of flows.
func paths(flow string) string {
	return map[string]string{"path:mission": flowA, "path:other": flowB}[flow]
}

func TestClaims(t *testing.T) {
	create := Request{Flow: flowA}
	push := func(row int64) Request { return Request{Flow: flowA, Row: row} }
	for _, tt := range []struct {
		name string
		do   func(b *Book)
		of   Ticket
		want string
	}{
		{"nothing", func(*Book) {}, Ticket{flowA, 5, 17}, ""},
		{"a create", func(b *Book) { noted(b, 1, "s1", create, 5) }, Ticket{flowA, 5, 17}, "s1@1"},
		{"another ticket", func(b *Book) { noted(b, 1, "s1", create, 6) }, Ticket{flowA, 5, 17}, ""},
		{"another flow", func(b *Book) { noted(b, 1, "s1", Request{Flow: flowB}, 5) }, Ticket{flowA, 5, 17}, ""},
		{"of one without a number", func(b *Book) { noted(b, 1, "s1", create, 5) }, Ticket{flowA, 0, 17}, ""},
		{"a create without a number", func(b *Book) { noted(b, 1, "s1", create, 0) }, Ticket{flowA, 5, 17}, ""},
		{"pushed after", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			noted(b, 2, "s2", push(17), 5)
		}, Ticket{flowA, 5, 17}, "s2@2"},
		{"the row before", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			noted(b, 2, "s2", push(17), 5)
		}, Ticket{flowA, 5, 12}, "s1@1 s2@2"},
		{"pushed twice", func(b *Book) {
			noted(b, 1, "s1", push(17), 5)
			noted(b, 2, "s2", push(17), 5)
		}, Ticket{flowA, 5, 17}, "s2@2"},
		{"another branch was pushed", func(b *Book) {
			noted(b, 1, "s1", push(17), 5)
			noted(b, 2, "s2", push(19), 5)
		}, Ticket{flowA, 5, 17}, "s1@1"},
		{"pushed without saying which row", func(b *Book) {
			noted(b, 1, "s1", push(17), 5)
			noted(b, 2, "s2", Request{Flow: flowA, Unclear: true}, 5)
		}, Ticket{flowA, 5, 17}, "s1@1 s2@2?"},
		{"and pushed again", func(b *Book) {
			noted(b, 1, "s2", Request{Flow: flowA, Unclear: true}, 5)
			noted(b, 2, "s1", push(17), 5)
		}, Ticket{flowA, 5, 17}, "s1@2"},
		{"refused", func(b *Book) {
			noted(b, 1, "s1", push(17), 5)
			b.Refused(b.Sent(at(2), "s2", push(17)))
		}, Ticket{flowA, 5, 17}, "s1@1"},
		{"a push on its way", func(b *Book) {
			noted(b, 1, "s1", push(17), 5)
			b.Sent(at(2), "s2", push(17))
		}, Ticket{flowA, 5, 17}, "s1@1 s2@2?"},
		{"another row's push on its way", func(b *Book) {
			noted(b, 1, "s1", push(17), 5)
			b.Sent(at(2), "s2", push(18))
		}, Ticket{flowA, 5, 17}, "s1@1"},
		{"a create on its way", func(b *Book) { b.Sent(at(2), "s2", create) }, Ticket{flowA, 5, 17}, "s2@2?"},
		{"which is not of a ticket that is known", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			b.Sent(at(2), "s2", create)
		}, Ticket{flowA, 5, 17}, "s1@1"},
		{"something unclear on its way", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			b.Sent(at(2), "s2", Request{Flow: flowA, Unclear: true})
		}, Ticket{flowA, 5, 17}, "s1@1 s2@2?"},
		{"named by its path", func(b *Book) { noted(b, 1, "s1", Request{Flow: "path:mission"}, 5) }, Ticket{flowA, 5, 17}, "s1@1"},
		{"another's path", func(b *Book) { noted(b, 1, "s1", Request{Flow: "path:other"}, 5) }, Ticket{flowA, 5, 17}, ""},
		{"named by a path and by its UUID", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			noted(b, 2, "s2", Request{Flow: "path:mission", Row: 17}, 5)
		}, Ticket{flowA, 5, 17}, "s2@2"},
		{"named by a path that nobody knows", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			noted(b, 2, "s2", Request{Flow: "path:new"}, 5)
		}, Ticket{flowA, 5, 17}, "s1@1 s2@2?"},
		{"on its way to an unknown path", func(b *Book) { b.Sent(at(2), "s2", Request{Flow: "path:new", Row: 17}) }, Ticket{flowA, 5, 17}, "s2@2?"},
		{"long ago", func(b *Book) { noted(b, 50-MaxAge.Seconds(), "s1", create, 5) }, Ticket{flowA, 5, 17}, ""},
		{"sent long ago", func(b *Book) { b.Sent(at(50-MaxAge.Seconds()), "s1", create) }, Ticket{flowA, 5, 17}, ""},
		{"pushed very often", func(b *Book) {
			for i := range maxChain + 3 {
				noted(b, float64(i), "s1", push(int64(100+i)), 5)
			}
		}, Ticket{flowA, 5, 17}, "s1@10? s1@11? s1@12? s1@13? s1@14? s1@15? s1@16? s1@17? s1@18? s1@3? s1@4? s1@5? s1@6? s1@7? s1@8? s1@9?"},
	} {
		// What is copied from another booster may be older than the book.
		for _, base := range []time.Time{at(-60), at(60)} {
			b := New()
			b.base = base
			tt.do(b)
			if got := told(b, 60, tt.of); got != tt.want {
				t.Errorf("%s, with a book of second %v: %q, want %q", tt.name, base.Sub(begin).Seconds(), got, tt.want)
			}
		}
	}
}

// What is forgotten is not claimed, and what is kept is.
func TestBounds(t *testing.T) {
	b := New()
	for i := range int64(MaxRecords + 1000) {
		noted(b, 1, "s1", Request{Flow: flowA, Row: 10 * (i%70_000 + 1)}, i+1)
	}
	if len(b.log) != MaxRecords || len(b.numbers) != MaxRecords || len(b.rows) != 70_000 || len(b.pending) != 0 {
		t.Errorf("%d records, %d numbers, %d rows, %d on their way", len(b.log), len(b.numbers), len(b.rows), len(b.pending))
	}
	for no, want := range map[int64]string{1000: "", 1001: "s1@1", MaxRecords + 1000: "s1@1"} {
		if got := told(b, 2, Ticket{flowA, no, 1}); got != want {
			t.Errorf("number %d: %q, want %q", no, got, want)
		}
	}
	for range MaxPending + 10 {
		b.Sent(at(1), "s2", Request{Flow: flowB})
	}
	if n := len(b.pending); n != MaxPending {
		t.Errorf("%d requests on their way", n)
	}
	for i := range maxNames {
		noted(b, 1, "s1", Request{Flow: fmt.Sprint("path:", i)}, 5)
	}
	if n := len(b.flows.texts); n > maxNames {
		t.Errorf("%d names", n)
	}
	noted(b, 3, "s3", Request{Flow: flowA}, 5)
	if got := told(b, 4, Ticket{flowA, 5, 17}); !strings.Contains(got, "s3@3") {
		t.Errorf("after all that: %q", got)
	}
}

// Of too many, those that have ended make room for one that is on its way.
func TestEndedMakeRoom(t *testing.T) {
	b := New()
	waits := b.Sent(at(1), "s1", Request{Flow: flowA})
	for range 3 * MaxPending {
		b.Ended(at(1), b.Sent(at(1), "s2", Request{Flow: flowB}))
	}
	if _, ok := b.pending[waits]; !ok || len(b.pending) > MaxPending {
		t.Errorf("%d are pending, the one on its way: %t", len(b.pending), ok)
	}
}

// What is pending for too long is forgotten, also behind what is not, and the oldest number
// is not left behind by those that are answered: to find it again would take long some day.
func TestPendingExpires(t *testing.T) {
	b := New()
	b.Sent(at(0), "s1", Request{Flow: flowA})
	for range 100 {
		b.Done(at(1), b.Sent(at(1), "s1", Request{Flow: flowA}), 7)
	}
	if len(b.pending) != 1 || b.oldest != 1 {
		t.Errorf("%d are pending, from %d on", len(b.pending), b.oldest)
	}
	late := at(MaxAge.Seconds() + 0.5)
	for range 100 {
		b.Done(late, b.Sent(late, "s1", Request{Flow: flowA}), 7)
	}
	if len(b.pending) != 0 || b.last-b.oldest > 2 {
		t.Errorf("%d are pending, the oldest is %d of %d", len(b.pending), b.oldest, b.last)
	}
}

// copyAll brings one book's news to another, over JSON, and returns how many pages it
// took.
func copyAll(t *testing.T, from *Book, name string, to *Book, seconds float64) (pages int) {
	t.Helper()
	for more := true; more; pages++ {
		page := from.Page(at(seconds), first(to.Wanted(name)), second(to.Wanted(name)))
		text, err := json.Marshal(page)
		if err != nil || len(text) > MaxMessage {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
		var arrived Page
		if err := json.Unmarshal(text, &arrived); err != nil || arrived.Validate() != nil {
			t.Fatal(err, arrived.Validate())
		}
		to.Take(at(seconds), name, arrived)
		more = page.More
	}
	return pages
}

func first(a, _ uint64) uint64  { return a }
func second(_, b uint64) uint64 { return b }

func TestCopies(t *testing.T) {
	a, b := New(), New()
	for i := range int64(MaxPage + 10) {
		noted(a, 1, "s1", Request{Flow: flowA, Row: 2 * i}, i+1)
	}
	noted(b, 2, "s2", Request{Flow: flowA, Row: 17}, 5)
	way := b.Sent(at(3), "s3", Request{Flow: flowB})
	if n := copyAll(t, a, "a", b, 4); n != 2 {
		t.Errorf("%d pages", n)
	}
	copyAll(t, b, "b", a, 4)
	for name, book := range map[string]*Book{"a": a, "b": b} {
		for of, want := range map[Ticket]string{
			{flowA, 5, 17}: "s2@2", {flowA, MaxPage, 1}: "s1@1", {flowB, 1, 1}: "s3@3?",
		} {
			if got := told(book, 5, of); got != want {
				t.Errorf("%s of %v: %q, want %q", name, of, got, want)
			}
		}
	}
	// Nobody gets back what came from himself, and nothing is told twice.
	for range 3 {
		copyAll(t, a, "a", b, 5)
		copyAll(t, b, "b", a, 5)
	}
	if a.next != b.next || a.next != MaxPage+11 {
		t.Errorf("%d and %d records", a.next, b.next)
	}
	b.Done(at(6), way, 1)
	copyAll(t, b, "b", a, 6)
	if got := told(a, 7, Ticket{flowB, 1, 1}); got != "s3@6" {
		t.Errorf("carried out: %q", got)
	}
	// A booster that begins anew is told its own, too, and its requests stay unknown.
	b.Sent(at(7), "s1", Request{Flow: flowB, Row: 8})
	copyAll(t, b, "b", a, 7)
	b = New()
	copyAll(t, b, "b", a, 8)
	copyAll(t, a, "a", b, 8)
	for name, book := range map[string]*Book{"a": a, "b": b} {
		if got := told(book, 9, Ticket{flowA, 5, 17}) + " " + told(book, 9, Ticket{flowB, 0, 8}); got != "s2@2 s1@7?" {
			t.Errorf("%s after a new beginning: %q", name, got)
		}
	}
	// An older note that comes late is not the last.
	noted(a, 20, "s1", Request{Flow: flowA, Row: 99}, 50)
	noted(b, 10, "s2", Request{Flow: flowA, Row: 99}, 50)
	copyAll(t, b, "b", a, 21)
	if got := told(a, 21, Ticket{flowA, 50, 99}); got != "s1@20" {
		t.Errorf("the last push: %q", got)
	}
}

// Whatever strangers name flows by, the other book takes each page.
func TestCopiesOfLongNames(t *testing.T) {
	a, b := New(), New()
	long := "path:" + strings.Repeat("\x01", maxText-5)
	for i := range int64(400) {
		noted(a, 1, "s1", Request{Flow: long, Row: i + 1}, 0)
	}
	a.Sent(at(2), "s1", Request{Flow: long + "x", Row: 9})
	if p := a.Page(at(2), 0, 0); p.Validate() != nil || len(p.Pending) != 1 {
		t.Errorf("a name that is too long: %d requests, %v", len(p.Pending), p.Validate())
	}
	for range MaxPending - 1 {
		a.Sent(at(2), "s2", Request{Flow: long, Row: 8})
	}
	if n := copyAll(t, a, "a", b, 3); n < 2 || len(b.log) != 400 {
		t.Errorf("%d pages brought %d records", n, len(b.log))
	}
	for row, want := range map[int64]string{9: "s1@2?", 8: "s2@2?"} {
		if got := told(b, 4, Ticket{flowB, 0, row}); !strings.Contains(got, want) {
			t.Errorf("row %d: %q", row, got)
		}
	}
}

func TestPageValidate(t *testing.T) {
	good := Copy{Flow: flowA, Server: "s1", No: 1, Age: 1}
	bad := map[string]Page{
		"no book":      {Records: []Copy{good}},
		"many":         {Book: 1, Records: make([]Copy, MaxPage+1)},
		"many pending": {Book: 1, Pending: make([]Copy, MaxPending+1)},
	}
	for name, edit := range map[string]func(*Copy){
		"no server": func(c *Copy) { c.Server = "" }, "a long name": func(c *Copy) { c.Flow = strings.Repeat("x", maxText+1) },
		"a negative number": func(c *Copy) { c.No = -1 }, "a negative row": func(c *Copy) { c.Row = -1 }, "the future": func(c *Copy) { c.Age = -1 },
		"an end that has come": func(c *Copy) { c.Left = -1 }, "an end that is too far": func(c *Copy) { c.Left = MaxAge + 1 },
	} {
		c := good
		edit(&c)
		bad[name], bad[name+" pending"] = Page{Book: 1, Records: []Copy{c}}, Page{Book: 1, Pending: []Copy{c}}
	}
	for name, p := range bad {
		if p.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := (Page{Book: 1, Records: []Copy{good}}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestTicketValidate(t *testing.T) {
	for _, tt := range []struct {
		of Ticket
		ok bool
	}{
		{Ticket{flowA, 5, 17}, true}, {Ticket{flowA, 0, 17}, true}, {Ticket{flowA, 5, 0}, false}, {Ticket{flowA, -1, 17}, false},
		{Ticket{flowA[1:], 5, 17}, false}, {Ticket{strings.ToUpper(flowA), 5, 17}, false}, {Ticket{}, false},
	} {
		if err := tt.of.Validate(); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.of, err)
		}
	}
}

// FuzzPage: whatever another booster sends, what is valid can be taken and told on.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"book":1,"next":2,"records":[{"flow":"` + flowA + `","server":"s1","no":1,"row":2,"age":3}],"pending":[{"flow":"x","server":"s2","unclear":true,"age":1,"left":5}]}`))
	f.Add([]byte(`{"book":18446744073709551615,"next":18446744073709551615,"more":true}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Page
		if json.Unmarshal(text, &p) != nil || p.Validate() != nil {
			return
		}
		b := New()
		b.Take(at(1), "other", p)
		book, next := b.Wanted("other")
		if book != p.Book || next != p.Next {
			t.Errorf("goes on at %d %d", book, next)
		}
		if out := b.Page(at(2), book, next); out.Validate() != nil {
			t.Error(out.Validate())
		}
		b.Claims(at(3), []Ticket{{flowA, 1, 2}}, paths)
	})
}

// Nobody is held up, and nothing is lost, when all is used at the same time.
func TestConcurrently(t *testing.T) {
	a, b := New(), New()
	var all sync.WaitGroup
	for g := range int64(4) {
		all.Go(func() {
			for i := range int64(500) {
				noted(a, 1, "s1", Request{Flow: flowA, Row: rand.Int64N(100) + 1}, 1000*g+i+1)
				a.Claims(at(2), []Ticket{{flowA, i, i}}, paths)
				if i%50 == 0 {
					book, next := b.Wanted("a")
					b.Take(at(2), "a", a.Page(at(2), book, next))
				}
			}
		})
	}
	all.Wait()
	copyAll(t, a, "a", b, 3)
	for g := range int64(4) {
		if got := told(b, 4, Ticket{flowA, 1000*g + 500, 999}); got != "s1@1" {
			t.Errorf("%d: %q", g, got)
		}
	}
}

// BenchmarkNote is what a request costs, in a book that is full: noting that it is sent,
// and that it was carried out.
func BenchmarkNote(b *testing.B) {
	for name, push := range map[string]int64{"create": 0, "push": 1} {
		b.Run(name, func(b *testing.B) {
			book := New()
			for i := range int64(MaxRecords) {
				noted(book, 1, "s1", Request{Flow: flowA, Row: i * push}, i+1)
			}
			now, i := time.Now(), int64(MaxRecords)
			b.ReportAllocs()
			for b.Loop() {
				i++
				book.Done(now, book.Sent(now, "s1", Request{Flow: flowA, Row: i * push}), i)
			}
		})
	}
}

// BenchmarkClaims is what a judgement of a journal of 10,000 tickets costs.
func BenchmarkClaims(b *testing.B) {
	book := New()
	tickets := make([]Ticket, 10_000)
	for i := range tickets {
		noted(book, 1, "s1", Request{Flow: flowA}, int64(i+1))
		tickets[i] = Ticket{flowA, int64(i + 1), int64(i + 1)}
	}
	b.ReportAllocs()
	for b.Loop() {
		book.Claims(at(2), tickets, paths)
	}
}
