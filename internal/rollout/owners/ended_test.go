package owners

import "testing"

// A request that has ended without telling what became of it counts for a while, and no
// longer; so does one that is on its way as long as its booster is heard of.
func TestEnded(t *testing.T) {
	create := Request{Flow: flowA}
	of, whole := Ticket{flowA, 5, 17}, EndedTime.Seconds()
	for _, tt := range []struct {
		name string
		do   func(b *Book)
		at   float64
		want string
	}{
		{"a create", func(b *Book) { b.Ended(at(5), b.Sent(at(2), "s1", create)) }, 4 + whole, "s1@2?"},
		{"a create, long ago", func(b *Book) { b.Ended(at(5), b.Sent(at(2), "s1", create)) }, 6 + whole, ""},
		{"a push, long ago", func(b *Book) { b.Ended(at(5), b.Sent(at(2), "s1", Request{Flow: flowA, Row: 17})) }, 6 + whole, ""},
		{"beside who has the ticket", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			b.Ended(at(5), b.Sent(at(2), "s2", Request{Flow: flowA, Row: 17}))
		}, 4 + whole, "s1@1 s2@2?"},
		{"beside who has the ticket, long ago", func(b *Book) {
			noted(b, 1, "s1", create, 5)
			b.Ended(at(5), b.Sent(at(2), "s2", Request{Flow: flowA, Row: 17}))
		}, 6 + whole, "s1@1"},
		{"twice", func(b *Book) {
			number := b.Sent(at(2), "s1", create)
			b.Ended(at(5), number)
			b.Ended(at(50), number)
		}, 6 + whole, ""},
		{"it was carried out after all", func(b *Book) {
			number := b.Sent(at(2), "s1", create)
			b.Ended(at(5), number)
			b.Done(at(6), number, 5)
		}, 6 + whole, "s1@6"},
		{"it was not carried out after all", func(b *Book) {
			number := b.Sent(at(2), "s1", create)
			b.Ended(at(5), number)
			b.Refused(number)
		}, 6, ""},
		{"what had a number already", func(b *Book) {
			number := b.Sent(at(2), "s1", create)
			b.Done(at(4), number, 5)
			b.Ended(at(5), number)
		}, 6, "s1@4"},
		{"late", func(b *Book) { b.Ended(at(MaxAge.Seconds()), b.Sent(at(2), "s1", create)) }, 3 + MaxAge.Seconds(), ""},
		{"another is on its way", func(b *Book) {
			b.Ended(at(5), b.Sent(at(2), "s1", create))
			b.Sent(at(2), "s2", create)
		}, 6 + whole, "s2@2?"},
	} {
		b := New()
		tt.do(b)
		if got := told(b, tt.at, of); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The other booster's notes end when they end there, and when it is not heard of any more.
func TestEndedCopies(t *testing.T) {
	a, b := New(), New()
	of, other, whole := Ticket{flowA, 5, 17}, Ticket{flowB, 5, 17}, EndedTime.Seconds()
	number := a.Sent(at(1), "s1", Request{Flow: flowA})
	a.Sent(at(2), "s2", Request{Flow: flowB})
	want := func(seconds float64, of Ticket, want string) {
		t.Helper()
		if got := told(b, seconds, of); got != want {
			t.Errorf("after %gs: %q, want %q", seconds, got, want)
		}
	}
	copyAll(t, a, "a", b, 3)
	want(4, of, "s1@1?")
	a.Ended(at(5), number)
	copyAll(t, a, "a", b, 100)
	want(4+whole, of, "s1@1?")
	want(6+whole, of, "")
	// The other request is on its way as long as its booster tells so.
	want(99+whole, other, "s2@2?")
	want(101+whole, other, "")
	copyAll(t, a, "a", b, 90+whole)
	want(101+whole, other, "s2@2?")
	if p := a.Page(at(100+whole), 0, 0); len(p.Pending) != 1 {
		t.Errorf("%d requests are told that count", len(p.Pending))
	}
	// Another life knows nothing of it, and this book keeps it for as long as before.
	a = New()
	copyAll(t, a, "a", b, 91+whole)
	copyAll(t, b, "b", a, 92+whole)
	for range 2 {
		want(89+2*whole, other, "s2@2?")
		want(91+2*whole, other, "")
		b = a
	}
	// A booster that knows nothing of ends tells none.
	b.Take(at(0), "old", Page{Book: 7, Pending: []Copy{{Flow: flowA, Server: "s3", Age: MaxAge - EndedTime/2}}})
	want(whole/2-1, of, "s3@-3300?")
	want(whole/2+1, of, "")
}
