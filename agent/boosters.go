package agent

import (
	"context"
	"errors"
	"fmt"

	pysettings "github.com/omflow/booster/internal/omflow/settings"
)

// Boosters returns the boosters that the OMFLOW Server's settings.py names, host:port
// and the primary first, and the file. It is asked for an agent whose configuration has
// no join: that none is named is an error, which says what to write where. Call it
// after Provision; it runs Python, for 10 s at most. Where root asks, as to validate a
// configuration, settings.py is read as the user whose file, or home, it is: that one's
// code must not get root's rights by it.
func (a *Agent) Boosters(ctx context.Context) (addresses []string, file string, err error) {
	if a.Home == "" {
		return nil, "", errors.New("no booster is named: write their addresses, primary first, as in `join 10.0.0.11:5169 10.0.0.12:5169`")
	}
	file = pysettings.FileIn(a.Home)
	cfg := source{home: a.Home, python: a.Python}.settings()
	cfg.Python = pysettings.AsOwner(a.Python, file, a.Home)
	read, err := pysettings.Read(ctx, cfg)
	if err == nil {
		err = read.NoBooster()
	}
	if err != nil {
		return nil, file, fmt.Errorf("the boosters are taken from %s, since `join` is not written: %w", file, err)
	}
	return read.Boosters, file, nil
}
