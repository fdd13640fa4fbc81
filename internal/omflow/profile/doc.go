// Package profile says what one version of OMFLOW Server looks like from outside, as
// data: which URLs it has and what they do, how it says that a token is wrong, how it
// is asked for its health, which repairs it needs, and in which words the front door
// answers in its place. Package omflow makes a table from a Profile and acts by it.
//
// # One form
//
// The profile of OMFLOW Server 1.1.0.0 is the file omflow-1.1.json beside this text,
// in the form that Parse reads and JSON writes. There is no other copy of it: a user
// can print it, change a line and use the result.
//
// A file may say "base": "omflow-1.1" and then holds only what differs. A section that
// it has is laid over the base's, field by field; a URL takes the place of the base's
// URL of the same path and match, or is added; any other list takes the place of the
// base's. Messages are kept by language, and a language takes the place of the base's.
// A file without a base is complete as it is: what it leaves out is not there.
//
// What Parse returns has no base any more. JSON writes it whole, and Parse of that is
// the same profile.
//
// # What fails, and what then happens
//
// Parse and Validate refuse with an error that names the line or the field, what is
// wrong and what may be written there: a field that does not exist (a misspelled one
// would be ignored in silence, and a ticket opened twice for it), a field given twice,
// null, a value of another kind, a path that no request can have, a repair that is on
// and lacks what it needs. Size and counts are bounded. Nothing is read in part.
//
// A Profile is plain data: any number of goroutines may read one that nobody changes.
package profile
