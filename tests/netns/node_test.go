//go:build linux

package netns

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/guard"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/pair/vip"
	"github.com/omflow/booster/internal/trust"
)

// packetKind is that of the pair's packets in these tests.
const packetKind = 1

// node is what one process of a test does, as JSON in its argument.
type node struct {
	Name, Kind string
	Role       pair.Role
	Listen     string
	Join       []string
	Key        string
	Dir        string
	VirtualIP  string // with prefix length
	Preempt    time.Duration
}

// nodeMain runs a booster or an agent until it gets TERM.
func nodeMain(arg string) error {
	var n node
	if err := json.Unmarshal([]byte(arg), &n); err != nil {
		return err
	}
	keys, err := trust.Parse([]string{n.Key})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", n.Name)
	g, err := gossip.New(gossip.Config{
		Name: n.Name, Kind: n.Kind, Version: "test", Listen: n.Listen, Join: n.Join, Keys: keys, Logger: log,
	})
	if err != nil {
		return err
	}
	defer g.Close()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if n.Kind == gossip.KindAgent {
		w, err := pair.NewWitness(pair.WitnessConfig{Name: n.Name})
		if err != nil {
			return err
		}
		g.HandlePackets(packetKind, func(from netip.AddrPort, b []byte) {
			w.Receive(b, func(b []byte) error { return g.SendPacketTo(from, packetKind, b) })
		})
		if err := g.Start(); err != nil {
			return err
		}
		<-term
		return nil
	}
	return n.booster(g, log, term)
}

func (n node) booster(g *gossip.Node, log *slog.Logger, term <-chan os.Signal) error {
	address, err := vip.Parse(n.VirtualIP, "eth0")
	if err != nil {
		return err
	}
	held, err := address.Open()
	if err != nil {
		return err
	}
	watch, err := guard.StartAddress(guard.AddressConfig{
		Address: address, Exe: os.Args[0], Env: []string{modeEnv + "=guard"}, Logger: log,
	})
	if err != nil {
		return err
	}
	p, err := pair.New(pair.Config{
		Name: n.Name, Role: n.Role, StateDir: n.Dir, Preempt: n.Preempt, Address: held, Guard: watch, Logger: log,
		Send: func(to string, b []byte) error { return g.SendPacket(to, packetKind, b) },
	})
	if err != nil {
		return err
	}
	p.Start()
	g.HandlePackets(packetKind, func(_ netip.AddrPort, b []byte) { p.Receive(b) })
	if err := g.Start(); err != nil {
		return err
	}
	go serve(n.Name)
	go tell(filepath.Join(n.Dir, "log.jsonl"), n.Name, p)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-term:
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			return p.Close(ctx)
		case <-tick.C:
			var agents []string
			for _, m := range g.Members() {
				switch {
				case m.Self || m.Unknown:
				case m.Kind == gossip.KindBooster:
					p.SetPeer(m.Name)
				case m.Kind == gossip.KindAgent && m.State == gossip.Alive:
					agents = append(agents, m.Name)
				}
			}
			p.SetAgents(agents)
		}
	}
}

// serve answers each connection with the node's name, whatever the address:
// also on the virtual IP, which is not always there.
func serve(name string) {
	ln, err := net.Listen("tcp", ":80")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(conn, name+"\n")
		}()
	}
}

// sample is what a booster takes itself for at one moment, which is of one
// clock for all processes of the machine.
type sample struct {
	At   time.Duration
	Node string
	Held bool
	Term uint64
	IP   bool
	// Peer says whether the other one is heard as active.
	Peer bool
	// Witnesses is how many agents count.
	Witnesses int
}

// tell writes down each change of what the booster takes itself for. It looks
// as often as it can, and at the time of its looking.
func tell(file, name string, p *pair.Pair) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	enc := json.NewEncoder(f)
	var last sample
	for range time.Tick(time.Millisecond) {
		s := p.Status()
		now := sample{last.At, name, s.Held, s.Term, s.VirtualIP, s.PeerActive, len(s.Witnesses)}
		if now != last {
			now.At = boottime.Now()
			_ = enc.Encode(now)
			last = now
		}
	}
}
