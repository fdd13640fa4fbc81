// Package control carries JSON messages between nodes over their control API.
//
// The control API of a node answers HTTP requests of the other nodes on the cluster's
// port (package gossip); who asked is known from the certificate. What is said there
// belongs to the packages that say it. They share how it is said:
//
//   - a message is one JSON value, in a POST; without one the request is a GET;
//   - 200 with one JSON value is the answer, another status of success one without;
//   - every other status is a refusal, whose body says why in a line of text: [Refusal].
//
// A message or an answer of more bytes than its reader allows is refused before it is
// decoded. What is repeated of a refusal is bounded and is valid UTF-8. The error of a
// node that can't be reached is the connection's.
package control
