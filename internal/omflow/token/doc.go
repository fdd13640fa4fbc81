// Package token makes one REST token of OMFLOW good on all servers.
//
// OMFLOW Server keeps its REST tokens in the memory of the process that issued
// them: 36 characters, valid for five minutes after their last use there, the same
// for the same user as long as it is valid. Another server, or the same one after a
// restart, answers "the security code is wrong", and has done nothing then (measured
// on OMFLOW 1.1.0.0).
//
// # How it works
//
// A Broker sees each answer that issues a token pass and remembers the login that it
// was issued for: the Authorization field of the request, and the server. When a call
// with that token is about to go to another server, the caller asks for that server's
// own token of the same login. If none is known, or it has rested for so long that it
// may have expired, it is fetched with the same Authorization, once for all calls that
// wait for it. Find tells where the token is in the call's body; both have 36
// characters, so one takes the other's place.
//
// # What fails, and what happens then
//
//   - A server answers that the code is wrong, because it was restarted: Refused makes
//     the broker forget that server's token, and the caller fetches another and sends
//     the call again, which is safe since nothing was done.
//   - The login is not valid any more: the fetch fails, the login is forgotten with all
//     its tokens, and the call goes out with the client's own token, so that the client
//     gets OMFLOW's own answer.
//   - A token rests for longer than OMFLOW would keep it: it is forgotten, and the next
//     call with it gets OMFLOW's own answer.
//   - The booster was restarted: tokens of before have no login. The caller finds the
//     server that knows such a token by asking one after the other, and Adopt remembers
//     it.
//
// # Secrets
//
// Logins and tokens are in memory only, are dropped together, and are never printed:
// no method returns a login, and a Broker and a Login print as nothing but their names.
package token
