// Package booster makes OMFLOW Booster's modules known to Caddy, so that
//
//	xcaddy build --with github.com/omflow/booster
//
// is all that it takes to build the binary. See README.md.
package booster

import (
	_ "github.com/omflow/booster/agent"       // omflow.agent
	_ "github.com/omflow/booster/caddymodule" // omflow, http.handlers.omflow_booster, admin.api.omflow
)
