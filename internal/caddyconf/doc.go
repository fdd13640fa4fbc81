// Package caddyconf is what the Caddyfile blocks of the booster and of the agent
// have in common: reading single options (Word, Number, Duration, Address, Options),
// and the health block, which both have. It imports Caddy, whose dispenser and
// durations are the point of it; nothing else under internal does.
//
// Each function is called with the dispenser at the option's name, takes the words
// that follow on the line, and refuses one too many. All errors name file and line
// and say what to write instead. Zero and negative values are refused, since in JSON
// the zero value stands for the default; an option that takes 0 reads its own word.
//
// Nothing is kept between calls: a dispenser belongs to one parser, and the functions
// may be used from any number of them.
package caddyconf
