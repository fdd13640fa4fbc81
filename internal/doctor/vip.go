package doctor

import (
	"context"
	"errors"
	"io"

	"github.com/omflow/booster/internal/pair/vip"
)

// VirtualIP checks that this machine could take the virtual IP. It does not take it.
type VirtualIP struct {
	// Address and Interface are as configured.
	Address, Interface string
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
		return failed("%v", err).advise("run this check as the service runs, with its capabilities; `ip link` shows the interfaces")
	}
	if err := prepared.Close(); err != nil {
		return failed("%v", err).advise("try again")
	}
	return ok("%s can be taken", c)
}
