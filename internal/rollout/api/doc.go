// Package api carries package rollout's messages between nodes, as JSON over the
// HTTP control API that all nodes have on their cluster port.
//
//	POST /rollout/v1/ask      an agent asks a booster what its server should be run as
//	POST /rollout/v1/orders   the active booster gives its orders to the other
//	POST /rollout/v1/lead     a booster passes on which server an operator wants as the lead
//	GET  /rollout/v1/journal  the active booster has an agent read the flow queue's journal,
//	                          with ?between=1 and which tickets are between two steps
//	GET  /rollout/v1/hears    a holder of the lead's lease asks a witness whether it hears the booster
//
// Both sides of a connection are authenticated before a request gets here; who may
// ask what is checked here: an agent speaks for its own server only, and boosters
// alone give orders. Whatever comes is bounded in size and validated. A refusal is a
// text and a status code: 409 when this booster is not the active one, 403 when the
// peer may not ask this, 503 when it can't be answered now.
//
// Everything may be used by any number of goroutines.
package api
