// Package jsonscan reads the members of one JSON object (RFC 8259) without
// building a tree and without allocating.
//
// It is made for a look at bodies that OMFLOW Server will read with Python's
// json module, and for OMFLOW's answers. It takes nothing that Python would
// refuse: no byte order mark, no raw control character in a string, no
// integer of thousands of digits. It also refuses what only Python takes (NaN,
// Infinity) and what is nested deeper than MaxDepth. UTF-8 is not checked here;
// a caller to whom that matters uses utf8.Valid.
//
// Nothing fails with an error. A scan stops at the first thing that it does not
// understand, having given the members before it; Object.Whole then says
// that what was read is not one whole object. All members are given, also
// several of one name, in the order in which they are written: Python lets the
// last one count, other programs the first.
//
// Time is linear in the length of the input, memory constant.
package jsonscan
