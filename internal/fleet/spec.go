package fleet

import (
	"errors"
	"fmt"
	"net"

	"github.com/omflow/booster/internal/balance"
)

// spec is a server for the balancer's table.
type spec balance.Spec

func (s Static) spec() spec {
	return spec{Name: s.Name, Address: s.Address, Capacity: s.Capacity, Weight: s.Weight, Backup: s.Backup}
}

func (a Agent) spec() spec {
	return spec{Name: a.Name, Address: a.Address, Capacity: a.Capacity, Weight: a.Weight}
}

// validate refuses what the table or the connections would refuse: the table
// takes all servers or none, so one that is wrong is to be found before.
func (s spec) validate() error {
	if s.Name == "" {
		return errors.New("it has no name")
	}
	if _, port, err := net.SplitHostPort(s.Address); err != nil || port == "" {
		return fmt.Errorf("address %q: write host:port", s.Address)
	}
	if s.Capacity < 1 || s.Capacity > balance.MaxCapacity {
		return fmt.Errorf("capacity must be from 1 to %d, not %d", balance.MaxCapacity, s.Capacity)
	}
	if s.Weight < 0 || s.Weight > balance.MaxWeight {
		return fmt.Errorf("weight must be from 0 to %d, not %d", balance.MaxWeight, s.Weight)
	}
	return nil
}
