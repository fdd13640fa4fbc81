// Package pair decides which of two boosters is the active one, so that one is
// whenever that can be, and never two.
//
// The active booster holds the virtual IP, sequences releases, leads roll-outs
// and grants the lead lease. The other is the standby. A booster is active for
// as long as its lease is good and no longer, whether or not its process runs:
// [Pair.Active] reads the clock each time, and the virtual IP is taken off by a
// guard process (internal/guard) when the lease of one that stands still has
// run out.
//
// # Beats, witnesses, leases
//
// Each booster sends a beat every 50 ms (a fifth of the failover time, if that
// is shorter) to the other one and to the witnesses: up to five agents that the
// active booster chooses. With F the failover time, 250 ms by default:
//
//   - The standby answers each beat of the active one, and does not become
//     active before F has passed since the last that came.
//   - A witness answers as well: it stands by the booster whose beat that was
//     until F has passed, and by nobody else meanwhile, unless that booster
//     says in a beat that it is a standby and counts on nobody.
//   - The active booster counts each answer from when it SENT the beat that is
//     answered, for 0.7 F: its lease. Its count ends before the other side's
//     begins to allow anything, however long a packet was under way. The 0.3 F
//     (75 ms) are for clocks that run at different speeds and for the guard.
//
// No time of day is compared, and no clock of one machine with that of another.
//
// A standby that has heard no active booster for F asks the other booster and
// all witnesses for a term of its own. A witness grants it unless it stands by
// the other, knows a higher term, or was started less than F ago (it can't know
// then whom it stood by before). A grant is used for at most 0.7 F from when it
// was asked for, and is like an answer to a beat: who was granted the term
// counts it until its first beats are answered. Of two that ask at the same time and
// have each been granted it by some and by too few, the secondary gives way after a second.
//
// # Who may be active
//
// Of n witnesses, n > 0, a booster may be active while
//
//	the other one stands by it, or more than n/2 witnesses do,
//
// and with the casting vote while at least n/2 do. The two sets can't be
// disjoint, so not both boosters get there; a witness that is in both stands by
// one at a time. There is one casting vote. The active booster leaves it to the
// standby as soon as it hears that, and says so in its beats: so in a split in
// which each side has half of the witnesses the standby takes over and the
// active one stands down. Who took over with it keeps it until it hears the
// other. A booster that was restarted has none.
//
// Counting only those who can be reached would not do: with five witnesses of
// which the active booster reaches three, a standby that reaches two others and
// one of these has most of the three that it reaches.
//
//	witnesses  the active one sees  the other one sees  active is
//	any        the other            the active one      the active one, whatever the witnesses see
//	0          nobody               nobody              both, see below
//	1          1                    0                   the active one
//	1          0                    1                   the other
//	1          0                    0                   nobody
//	2          2                    0                   the active one
//	2          1                    1                   the other, by the casting vote
//	2          1                    0                   nobody
//	2          0                    1 or 2              the other
//	3          2 or 3               1 or 0              the active one
//	3          1 or 0               2 or 3              the other
//	3          1                    1                   nobody
//	4          3 or 4               1 or 0              the active one
//	4          2                    2                   the other, by the casting vote
//	4          1 or 0               2, 3 or 4           the other
//	4          2                    1 or 0              nobody
//	5          3, 4 or 5            2, 1 or 0           the active one
//	5          2, 1 or 0            3, 4 or 5           the other
//	5          2                    2 or fewer          nobody
//	any        all                  all, but not the    the active one: the witnesses hear it
//	                                active one
//
// "Sees" is both ways: of what is heard one way only, nobody is acknowledged.
// Where it says nobody, more than one thing has failed.
//
// Without witnesses nobody can tell a dead machine from a cut cable. Then, as
// with VRRP, each goes on or takes over by itself: the loss of one is survived,
// and in a split both are active, in different terms, until it heals and the
// one with the lower term stands down at its first beat. There are no agents
// then that could obey both.
//
// One that has no witnesses and knows of no other booster at all, as where there is
// only one, has a lease of a second, so that a busy machine does not cost it its right
// for nothing. Nobody can take over meanwhile: a booster that comes looks for it for
// two seconds at least, and joins the cluster at once, so that the lone one hears of it.
// From that moment on the lease is that of two. After a pause of more than a second the
// lone one has none for two beats, to hear who has come, or stands down, as below, and is
// active again in the next term.
//
// # Terms
//
// Each take-over has a term above all earlier ones. The primary's terms are odd
// and the secondary's even, so none is ever used by both, whatever was lost or
// forgotten. A take-over from the other booster is term+1. The next term of a
// node is on its disk before it may be needed, so that taking over waits for no
// disk and a restarted node never uses a term twice. Whoever is told something
// in a term obeys no lower one after that; an active booster that hears of a
// higher one stands down at once.
//
// # The list of witnesses
//
// It has a number and travels in each message. A new list is used by the active
// booster beside the old one: it needs enough of both, until the other booster
// has the new list on disk or most of the old list's witnesses have it. Who
// would take over needs the grants of most of the old list and so hears of the
// new one, and then needs those. Agents that are to be on the list are sent
// beats before they count. One that was away for a minute is replaced.
//
// # Planned failover
//
// An operator, the end of the active booster's process, or a primary that wishes
// for its place back begin one. It is one sequence:
//
//  1. The active booster goes on as such, and Config.Drain ends the connections to
//     the virtual IP with no request lost; new ones wait (internal/pair/drain). It
//     takes Config.DrainTimeout at most. A booster that loses its place meanwhile,
//     or does not hear the other one at the end, offers nothing.
//  2. The active booster offers its place in its beats; the standby asks for it and
//     gets the active one's word, which is enough without any witness: nobody else
//     could be active. From that word on the one does not act as active any more,
//     and the other does when it has it.
//  3. The other one adds the address and announces it. It stays on the first machine
//     for two beats more, or until the new one's beat comes, so that no connection
//     finds it on none: the only time that both have it, and how long at most. There
//     are no connections to it then, and new ones still wait on the first machine.
//  4. The address is off, and Config.Resume undoes what Drain has done. It does so,
//     too, when the word is lost, or the other one does not take the place within a
//     second: the first one goes on after F.
//
// A primary that is well for Config.Preempt wishes for its place in its beats, and an
// operator may. A primary that has itself handed over does not wish for it again by
// itself before it is restarted: what an operator has done is not undone five seconds
// later.
//
// # Start, stop, pauses
//
// A booster that starts looks for the other one, the primary for two seconds
// and the secondary for four, and then asks to be active, as above: alone, or
// with the witnesses of its last list. One without a list asks all agents that it
// knows of before it is active alone: if one of them is a witness of the other
// booster's, it hears of the list. Two that start together hear each other
// and the primary is first.
//
// A process that finds that it stood still (no tick for three beats) counts the
// other's silence anew from there, since what was sent to it lies unread, and
// an active one has no lease until answers to beats that it sends now come in.
// An active booster whose lease has lapsed goes on as soon as it is good again;
// if it is not within a second of the last beat that counted, it is a standby.
//
// # Recordings
//
// The packets are sealed by whoever carries them, but a packet can be recorded
// and sent again. Each has the random number of its sender's run, a count, who
// it is for, and the newest message that the sender had of the receiver: of a
// known run the count must grow, and a new run must echo a message of the last
// two seconds. What does not is counted and has no effect. See link.
//
// # How it works
//
// machine and witness decide: without clock, goroutine or socket. Pair runs a
// machine in one goroutine, a second one saves, a third keeps the virtual IP
// (keeper), a fourth tells of changes. All have ended when Close returns. The
// tests run thousands of random schedules of splits, losses, delays, pauses,
// crashes, recordings and changes of the list through the same code.
//
// # What fails, and what happens then
//
//   - The state can't be saved: this booster can't take over in a new term, and
//     says so in Status.Problem; while it is active it goes on.
//   - A file of the state that can't be read: New fails. Were it taken for an
//     absent one, a term might be used twice.
//   - The address can't be added, or there is no guard: it is not held, the
//     booster stays active, Status.Problem says so, and it is tried ten times a
//     second.
//   - A witness is restarted: for F it stands by nobody. It remembers no list
//     from before; that most witnesses of a list are restarted while it is
//     being replaced, and at the same time each booster sees others of them, is
//     the one way to two active boosters that is known.
//   - Agents are gone for good, all of them, for ten minutes: the list becomes
//     empty, if the boosters hear each other.
//   - A machine is halted from outside together with its clocks, as hypervisors do
//     it: when it goes on, its lease seems to be as good as it was. For the rest of
//     it, 0.7 F at most, or a second where it was alone, it may act beside the one
//     that has taken over; agents obey the higher term.
//   - Both boosters have the same role: the one whose name comes first is the
//     primary, and Status.Problem says what to write.
package pair
