package pair

import (
	"slices"
	"time"
)

const (
	// sentKept is how many messages to one node are remembered with the time at
	// which they were sent: some three seconds of them.
	sentKept = 128

	// freshFor is how old a message may be for its echo to prove that what
	// echoes it is no recording: a few round trips on a bad day.
	freshFor = 2 * time.Second

	// retiredKept is how many earlier runs of a node are known as such.
	retiredKept = 8
)

// link is what one node knows of its exchange of messages with another: it
// numbers what goes out and tells what comes in fresh from what is recorded.
//
// Its numbers begin at the time at which it is made, in nanoseconds, which no earlier
// link of the same run can have counted to. So a node whose link was forgotten, when it
// went off the list of witnesses, say, takes what a new one sends it: to that node the
// run is the one that it knows, and what is not above the last number a recording.
//
// Nobody's clock is compared with anybody else's. A message of a run that is
// known must have a higher number than the last. A run that is new must prove
// itself by echoing a message that was sent to it within the last two seconds:
// a recording can't. The first message of a run is therefore never taken; a
// hello answers it, and the next one has the echo. A run that made way for
// another must echo what was sent after that: a recording of it never will,
// while the right run, of which a late message of an earlier one took the place,
// comes back with its next one.
type link struct {
	name string
	self uint64 // this node's run

	out  uint64
	sent [sentKept]sentAt

	run, seq uint64 // the newest message taken
	retired  []retiredRun
	hello    time.Duration // when the last one was sent
}

type retiredRun struct {
	run uint64
	at  time.Duration
}

type sentAt struct {
	seq uint64
	at  time.Duration
}

func newLink(name string, self uint64, now time.Duration) *link {
	return &link{name: name, self: self, out: uint64(max(now, 0))}
}

// stamp numbers a message that is about to be sent.
func (l *link) stamp(m message, now time.Duration) message {
	l.out++
	l.sent[l.out%sentKept] = sentAt{l.out, now}
	m.To, m.Run, m.Seq = l.name, l.self, l.out
	if m.EchoRun == 0 {
		m.EchoRun, m.EchoSeq = l.run, l.seq
	}
	return m
}

// when returns the time at which the message was sent that m echoes; ok is
// false when there was none, or it is too long ago.
func (l *link) when(m message) (at time.Duration, ok bool) {
	if m.EchoRun != l.self {
		return 0, false
	}
	s := l.sent[m.EchoSeq%sentKept]
	return s.at, s.seq == m.EchoSeq && s.seq != 0
}

// take says whether m is fresh and, if so, makes it the newest.
func (l *link) take(m message, now time.Duration) bool {
	if m.Run == l.run {
		if m.Seq <= l.seq {
			return false
		}
		l.seq = m.Seq
		return true
	}
	at, ok := l.when(m)
	if !ok || now-at > freshFor || slices.ContainsFunc(l.retired, func(r retiredRun) bool { return r.run == m.Run && at <= r.at }) {
		return false
	}
	l.retired = slices.DeleteFunc(l.retired, func(r retiredRun) bool { return r.run == m.Run })
	if l.run != 0 {
		l.retired = append(l.retired, retiredRun{l.run, now})
		if len(l.retired) > retiredKept {
			l.retired = slices.Delete(l.retired, 0, 1)
		}
	}
	l.run, l.seq = m.Run, m.Seq
	return true
}

// greet says whether a hello is due to m, which was not taken. It is not for
// what was merely late, nor more often than beats come.
func (l *link) greet(m message, now time.Duration) bool {
	if m.Kind == kindHello || m.Run == l.run || l.hello != 0 && now-l.hello < maxBeat/2 {
		return false
	}
	l.hello = now
	return true
}

// greeting is a hello to m.
func greeting(from string, m message) message {
	return message{Kind: kindHello, From: from, EchoRun: m.Run, EchoSeq: m.Seq}
}
