package doctor

import (
	"context"
	"os"
)

// NewServer checks what there is to check of an OMFLOW Server that has not come yet: its
// agent fetches it from the others.
type NewServer struct {
	// Home is the folder that it comes to; empty where it is that of the other servers,
	// which only they know.
	Home string
	// Err says why it is not known whether it has come; nil when it has not.
	Err error
}

// Checks returns the checks.
func (n NewServer) Checks() []Check {
	return []Check{
		{Name: "home", Run: func(context.Context) Result { return n.home() }},
		{Name: "new server", Run: func(context.Context) Result { return n.arrival() }},
	}
}

// home checks that the folder can be made, or written.
func (n NewServer) home() Result {
	if n.Home == "" {
		return skipped("it is the other servers' folder: it is known when the new server arrives")
	}
	if info, err := os.Stat(n.Home); err == nil && !info.IsDir() {
		return failed("%s is a file", n.Home).advise("write as `home` a folder that is empty or not there")
	}
	r := writable(n.Home)
	if r.State == Failed {
		return r.advise("make the folder, and give it to the user that the service runs as: mkdir -p %s && chown <user>: %[1]s; this check has to run as that user", n.Home)
	}
	return r
}

func (n NewServer) arrival() Result {
	if n.Err != nil {
		return failed("%v", n.Err).advise("run this check as the user that the service runs as; if the file is broken, the agent keeps it aside at its next start, and fetches the server's settings and options anew")
	}
	return skipped("it has not arrived yet: its settings, options and files come from the other servers when its agent runs, and `booster omflow status` says what it waits for")
}
