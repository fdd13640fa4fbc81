package caddymodule

import (
	"runtime/debug"
	"sync"
)

const modulePath = "github.com/omflow/booster"

// version is this module's version as it was built, or "devel".
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
})
