// Package created finds out what became of a create whose server died before it had
// answered: which ticket it opened, or that it opened none.
//
// A create that is written to a server which dies may have opened its ticket, which then
// goes its way though nobody was told its number, or not. A client that sends it again
// makes a second ticket in the first case, and one that does not loses it in the other.
//
// # What proves what
//
// OMFLOW 1.1.0.0 runs without transactions: a create draws a number, inserts the ticket's
// first row, and answers. Once the server's process is gone, and what it had sent to the
// database was carried out, no more of its rows come. All rows that the flow's table has
// then, made since the create was sent, are of one of these kinds:
//
//   - its number was given to a client as an answer: it is that client's;
//   - it is of a create that is on its way at some server: that one is waited for, until it
//     is answered;
//   - neither, and its columns hold what the lost create's form says, and its creator is who
//     signed in with the create's token: then it is the lost create's. Of several lost
//     creates that say the same, each may have any of their rows, but no two the same;
//   - neither, and its columns hold something else: it is of a create that somebody else has
//     lost, or has opened past the boosters, or of this one, changed by its flow.
//
// So a row of the third kind proves what ticket the create has opened. If there is no row of
// the last two kinds, it has opened none and will open none, and may be sent to another
// server. As long as there are rows of the fourth kind only, nothing is proved.
//
// # How it is done
//
// A [Book] of each booster notes the creates on their way and the numbers that were given
// away. A [Seeker] asks the agent of the server that died to look at the table ([Question],
// [Answer]): it alone knows that the process is gone, all of its group, and its clock is the
// one that the row's time is from. Then all boosters are asked which of these numbers they
// have given away, once the creates of that flow have been answered that were on their way
// when they were asked. A number that proves right is reserved
// before it is given to the client, at one booster that decides for all, and then noted by
// the others. That nothing was opened is believed after two looks, the
// first [Grace] after the end of the process and the other [Again] after that, before each of
// which the database has said that no statement on the flow's table has run for a second or
// more: one that waits for a lock would, and commit later (Answer.Pending). What the process
// had sent is carried out by then.
//
// The form itself goes nowhere: what is compared are SHA-256 sums of the columns.
//
// # What fails, and what then happens
//
// The outcome stays [Unknown], as it was without all this, when the process goes on running
// (the connection alone broke), when the agent, the database or another booster that may
// have answered creates meanwhile does not answer, when a flow's data is checked before the
// ticket is opened (it is opened later then, by another step), when the rows prove nothing,
// a statement goes on running, or the agent's account may not see what runs, within
// [SeekTime], and when more than [MaxSeeks] creates are looked for at once. A booster
// that was started after the create was sent does not know what it had answered before, and
// proves nothing either.
//
// What is wrong where it is assumed otherwise: tickets that are opened past the boosters,
// with the same content by the same user in the same seconds, are taken for lost ones; and a
// statement makes a ticket too many that the database has received before its client died and
// begins more than three seconds later, or that it does not show: on MySQL and MariaDB those
// of another account, when the agent's has not the right PROCESS.
package created
