package caddymodule

import (
	"fmt"
	"sync"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// written remembers where in a Caddyfile a listen address stands. That its port is
// taken shows only when the node starts, and by then there is only JSON, which knows
// no lines; `run` adapts and starts in one process.
var written sync.Map // address → "Caddyfile:4"

// noteWritten notes where d is.
func noteWritten(d *caddyfile.Dispenser, address string) {
	written.Store(address, fmt.Sprintf("%s:%d", d.File(), d.Line()))
}

// atWritten puts the place before an error that is about the address.
func atWritten(address string, err error) error {
	if place, ok := written.Load(address); ok && err != nil {
		return fmt.Errorf("at %s: %w", place, err)
	}
	return err
}
