// Package api carries package replica's messages between agents, over the HTTP
// control API that all nodes have on their cluster port.
//
//	POST /replica/v1/push     an agent tells entries of its index, at most 1,000
//	GET  /replica/v1/digest   what an agent knows in short
//	POST /replica/v1/entries  a page of what it knows, at most 1,000 entries
//	POST /replica/v1/fetch    a file's content, as application/octet-stream
//	GET  /replica/v1/status   how a replica is; boosters ask that
//	POST /replica/v1/lost     a booster says what to make of files that are gone
//
// Messages are JSON; a content is sent as it is, with its length. Both sides of a
// connection are authenticated before a request gets here; that it comes from an
// agent, or a booster, is checked here. Whatever comes is bounded in size, and judged by package
// replica. A refusal is a text and a status code: 400 for what can't be read, 403
// for who may not ask, 404 for a content that is not here, 422 for what is refused,
// 503 when it can't be answered now.
//
// Everything may be used by any number of goroutines. A message that does not come within
// 15 s is refused. A content is sent as fast as it is taken: a peer that takes nothing for
// a minute is cut off, so that it does not hold the place of others.
package api
