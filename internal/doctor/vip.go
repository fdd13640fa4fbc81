package doctor

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/pair/vip"
)

// VirtualIP checks that this machine could take the virtual IP. It does not take it.
type VirtualIP struct {
	// Address and Interface are as configured.
	Address, Interface string
	// Command is the command line that runs this check, for the advice how to run it with
	// the service's capabilities. Default: this process's own.
	Command []string
	// Open prepares to take it. Default: vip.Config's Open.
	Open func(vip.Config) (io.Closer, error)
}

// Checks returns the check.
func (v VirtualIP) Checks() []Check {
	return []Check{{Name: "virtual IP", Run: func(context.Context) Result { return v.check() }}}
}

func (v VirtualIP) check() Result {
	c, err := vip.Parse(v.Address, v.Interface)
	if err != nil {
		return failed("%v", err).advise("write the address, the length of its network and the interface, as in `virtual_ip 10.0.0.10/24 eth0`")
	}
	open := v.Open
	if open == nil {
		open = func(c vip.Config) (io.Closer, error) { return c.Open() }
	}
	prepared, err := open(c)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return failed("%v", err).advise("run the boosters on Linux, or leave `virtual_ip` out")
	case err != nil:
		return failed("%v", err).advise("`ip link` shows the interfaces; run this check as the service runs, with its capabilities, to see whether that would do: %s", v.asService())
	}
	if err := prepared.Close(); err != nil {
		return failed("%v", err).advise("try again")
	}
	return ok("%s can be taken", c)
}

// asService is the command line that runs this check as the unit of the package, once it
// may hold a virtual IP.
func (v VirtualIP) asService() string {
	command := v.Command
	if command == nil {
		command = slices.Clone(os.Args)
		if path, err := os.Executable(); err == nil {
			command[0] = path // the service manager has another PATH
		}
	}
	words := slices.Concat([]string{
		"systemd-run", "--quiet", "--pipe", "--wait", "--same-dir", "--uid=omflow-booster", "--property=AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
	}, command)
	for i, word := range words {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_=./:,+@%", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
