// Command booster is Caddy with its standard modules and OMFLOW Booster's: the same
// that xcaddy builds from xcaddy.json.
package main

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/omflow/booster"
)

func main() {
	caddy.CustomBinaryName = "booster"
	caddy.CustomLongDescription = `OMFLOW Booster is the front door that makes several OMFLOW Servers behave like one
fast server that does not fail. It is Caddy with modules for a booster and for the
agents beside the servers; "booster omflow --help" shows what they add.`
	caddycmd.Main()
}
