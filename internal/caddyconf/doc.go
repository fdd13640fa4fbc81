// Package caddyconf is what the Caddyfile blocks of the booster and of the agent
// have in common: reading single options, and the health block. It imports Caddy,
// whose types are the point of it.
//
// All errors name file and line and say what to write instead.
package caddyconf
