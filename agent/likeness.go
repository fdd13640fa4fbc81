package agent

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"time"

	pysettings "github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/trust"
)

const (
	// likenessInterval is how often servers' settings are compared, and the clock with
	// a booster's.
	likenessInterval = 30 * time.Second
	// clockTimeout bounds one question for a booster's clock.
	clockTimeout = 2 * time.Second
)

// kin is what likeness needs of the cluster.
type kin interface {
	// Tell lets all nodes know the facts of this node's server.
	Tell(alike.Facts) error
	// Facts are those of all servers that are there, as this node knows them.
	Facts() map[string]alike.Facts
	// Ahead is by how much this machine's clock is ahead of a booster's, to within a
	// second.
	Ahead(context.Context) (time.Duration, error)
}

// likeness tells the other nodes what of an OMFLOW Server's settings has to be the same
// on all servers, and logs what is not (package alike). It begins with watch and
// ends with close; a nil one does nothing.
type likeness struct {
	server string
	source source
	keys   trust.Keys
	to     kin
	log    *slog.Logger

	again  chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	// Of the goroutine.
	read   bool // facts hold what settings.py says
	file   os.FileInfo
	facts  alike.Facts
	logged []string
}

// watch begins to compare: l is a likeness with what it shall know.
func (l likeness) watch() *likeness {
	ctx, cancel := context.WithCancel(context.Background())
	l.again, l.cancel, l.done = make(chan struct{}, 1), cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
	return &l
}

// setLikeness begins to compare settings as s wants it, if former did not.
func (m *monitor) setLikeness(former, s *settings) {
	if former != nil && former.sameLikeness(s) {
		return
	}
	m.alike.close()
	if m.alike = nil; s.home == "" {
		return
	}
	m.alike = likeness{
		server: m.name, source: source{home: s.home, python: s.python}, keys: s.keys, to: s.to, log: m.log,
	}.watch()
}

// started notes that the server was started anew, and has read its settings again.
func (l *likeness) started() {
	if l == nil {
		return
	}
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// close ends the comparing.
func (l *likeness) close() {
	if l == nil {
		return
	}
	l.cancel()
	<-l.done
}

func (l *likeness) run(ctx context.Context) {
	tick := time.NewTicker(likenessInterval)
	defer tick.Stop()
	for {
		l.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.again:
			l.read = false // it may read other modules, which have changed
		}
	}
}

// look reads settings.py if it is news, tells what has changed and logs what differs.
func (l *likeness) look(ctx context.Context) {
	file, err := os.Stat(pysettings.FileIn(l.source.home))
	if err != nil {
		return // it has yet to come; who needs it, as the database's watch, says so
	}
	if changed := l.file == nil || !file.ModTime().Equal(l.file.ModTime()) || file.Size() != l.file.Size(); changed || !l.read {
		read, err := pysettings.Read(ctx, l.source.settings())
		if ctx.Err() != nil {
			return
		}
		clock := l.facts.Clock
		l.facts = alike.Of(read, cmp.Or(err, read.Validate(), read.Schedules(l.source.home)), l.keys)
		l.facts.Clock, l.file, l.read = clock, file, true
	}
	asked, cancel := context.WithTimeout(ctx, clockTimeout)
	ahead, err := l.to.Ahead(asked)
	cancel()
	if err == nil {
		l.facts.Clock = alike.Off(ahead, l.facts.Clock)
	}
	if err := l.to.Tell(l.facts); err != nil {
		l.log.Warn("the other nodes can't be told of this server's settings", "error", err)
	}
	l.tell(alike.Compare(l.to.Facts()))
}

// tell logs what is new of the problems that are this server's too.
func (l *likeness) tell(problems []alike.Problem) {
	var mine []string
	for _, p := range problems {
		if slices.Contains(p.Servers, l.server) {
			mine = append(mine, p.Text)
		}
	}
	for _, text := range mine {
		if !slices.Contains(l.logged, text) {
			l.log.Warn("settings: " + text)
		}
	}
	if len(l.logged) > 0 && len(mine) == 0 {
		l.log.Info("settings: nothing is wrong any more")
	}
	l.logged = mine
}
