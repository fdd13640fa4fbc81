// Package hygiene holds tests of the documents: what they tell people to write
// must be accepted by the program, and what they point to must exist.
package hygiene
