package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/oracleexporter"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/patch"
	releases "github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/replica"
	replicas "github.com/omflow/booster/internal/replica/api"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/api"
)

// cluster is what an agent needs of the cluster; *member is one.
type cluster interface {
	// SetReport tells the boosters of the server.
	SetReport(gossip.Report) error
	// Ask asks the active booster what the server should be run as.
	Ask(context.Context, rollout.Ask) (rollout.Answer, error)
	// Witness asks other agents whether they hear the booster: how many of them
	// answered, and how many do.
	Witness(ctx context.Context, agents []string) (reached, hears int)
	// Epoch is the control epoch as this node knows it.
	Epoch() rollout.Epoch
	// Releases are the other nodes, for a folder that is kept the same.
	Releases() patch.Peers
	// Replicas are the other agents, for the replicated folder.
	Replicas() replica.Peers
	kin
}

// member is the cluster as its node gives it.
type member struct{ *gossip.Node }

var errNoBooster = errors.New("no booster is reached")

// Ask asks all boosters, since the one that is active may just have changed. Only
// that one answers.
func (m member) Ask(ctx context.Context, ask rollout.Ask) (rollout.Answer, error) {
	boosters := m.boosters()
	if len(boosters) == 0 {
		return rollout.Answer{}, errNoBooster
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		answer rollout.Answer
		err    error
	}
	results := make(chan result, len(boosters))
	client := api.Client{Do: m.Do}
	for _, booster := range boosters {
		go func() {
			a, err := client.Ask(ctx, booster, ask)
			results <- result{a, err}
		}()
	}
	var errs []error
	for range boosters {
		r := <-results
		if r.err == nil {
			return r.answer, nil
		}
		errs = append(errs, r.err)
	}
	return rollout.Answer{}, errors.Join(errs...)
}

// boosters returns the names of those that may answer.
func (m member) boosters() []string {
	const most = 4 // there are two; in the middle of a change of names a few more
	var names []string
	for _, o := range m.Members() {
		if o.Kind == gossip.KindBooster && o.Reachable() && len(names) < most {
			names = append(names, o.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Witness implements cluster.
func (m member) Witness(ctx context.Context, agents []string) (reached, hears int) {
	client := api.Client{Do: m.Do}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, agent := range agents {
		wg.Go(func() {
			heard, err := client.Hears(ctx, agent)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			reached++
			if heard {
				hears++
			}
		})
	}
	wg.Wait()
	return reached, hears
}

// Epoch implements cluster.
func (m member) Epoch() rollout.Epoch { return rollout.EpochOf(m.Marks()) }

// Tell implements kin.
func (m member) Tell(f alike.Facts) error {
	text, err := f.Encode()
	if err != nil {
		return err
	}
	key := alike.Key(m.Name())
	if told, ok := m.Mark(key); ok && told == text {
		return nil // each mark costs a message to all
	}
	return m.SetMark(key, text)
}

// Facts implements kin.
func (m member) Facts() map[string]alike.Facts {
	there := make(map[string]bool)
	for _, o := range m.Members() {
		there[o.Name] = o.Kind == gossip.KindAgent && o.Reachable()
	}
	return alike.Decoded(m.Marks(), func(server string) bool { return there[server] })
}

// Ahead implements kin: it asks one booster for a page that no node has, as package
// doctor does. The answer's Date is the booster's clock (RFC 9110 section 6.6.1).
func (m member) Ahead(ctx context.Context) (time.Duration, error) {
	boosters := m.boosters()
	if len(boosters) == 0 {
		return 0, errNoBooster
	}
	req, err := http.NewRequest(http.MethodGet, "/gossip/", http.NoBody)
	if err != nil {
		return 0, err
	}
	sent := time.Now()
	resp, err := m.Do(ctx, boosters[0], req)
	if err != nil {
		return 0, fmt.Errorf("ask booster %s for its clock: %w", boosters[0], err)
	}
	took := time.Since(sent)
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("read the clock of booster %s: %w", boosters[0], err)
	}
	if took > time.Second {
		return 0, fmt.Errorf("booster %s took %s to tell its clock", boosters[0], took)
	}
	// The middle of the second that Date names, and of the time that the answer took.
	return sent.Add(took / 2).Sub(date.Add(time.Second / 2)), nil
}

// Replicas implements cluster.
func (m member) Replicas() replica.Peers {
	return replicas.Client{Do: m.Do, Agents: nodePeers{m}.Agents}
}

// serveReplica answers what other agents ask of a replicated folder.
func serveReplica(r *replica.Replica) http.Handler {
	return replicas.Handler(r, gossip.Sender)
}

// serve answers what other nodes ask of a runner.
func (m member) serve(r *runner) {
	mux := http.NewServeMux()
	mux.Handle("/", api.AgentHandler(r))
	mux.HandleFunc(releases.Prefix, r.serveReleases)
	mux.HandleFunc(replicas.Prefix, r.serveReplicas)
	mux.HandleFunc(oracleexporter.Path, r.serveReading)
	mux.HandleFunc("POST "+created.LookPath, r.serveCreated)
	mux.HandleFunc("GET "+flows.Path, r.serveFlows)
	mux.HandleFunc(bootstrap.Prefix, r.serveOrigin)
	m.SetHandler(mux)
	m.HandlePackets(pair.PacketKind, func(from netip.AddrPort, b []byte) {
		r.witness.Receive(b, func(answer []byte) error { return m.SendPacketTo(from, pair.PacketKind, answer) })
	})
}
