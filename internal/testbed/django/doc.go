// Package django is what a stand-in needs of the framework and the language that
// OMFLOW is written in, where their way shows on the wire.
//
//   - [Params]: a request body as a Django view sees it, JSON and forms alike. A
//     body that is neither has no parameters; a parameter of another type than
//     asked for counts as missing. Bodies come from strangers: callers bound their
//     size.
//   - [JSON]: answers byte for byte as Python's json.dumps writes them.
//   - [NewCSRFToken] and [UnmaskCSRF]: tokens against cross-site requests, masked
//     as Django 3.2 masks them.
//
// Everything may be called by any number of goroutines, except [Params.Set].
package django
