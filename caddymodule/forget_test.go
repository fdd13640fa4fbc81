package caddymodule

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
)

// TestClusterForgotten: what a cluster has ordered of the servers, and its lead server,
// end with the cluster: a configuration without one has the same pool.
func TestClusterForgotten(t *testing.T) {
	b := newBed(t)
	s1, s2 := newOrigin(t, "s1"), newOrigin(t, "s2")
	address := freeAddress(t)
	server := fmt.Sprintf("server %s name=s2", s2.address)
	b.load(b.cluster(address, "", server))
	agent := peer(t, "s1", gossip.KindAgent, address)
	if err := agent.SetReport(gossip.Report{Server: "s1", Address: s1.address, State: gossip.ServerUp, Capacity: 4, Weight: 100, Lead: true}); err != nil {
		t.Fatal(err)
	}
	b.await(map[string]string{"s1": "up", "s2": "up"})
	// Of a higher term than this booster's own, so that it does not take them back.
	orders := rollout.Orders{Term: 1 << 40, Hold: true, Out: map[string]string{"s2": "it is brought to release 7"}}
	if _, err := runningNode().conductor.Order("booster-b", orders); err != nil {
		t.Fatal(err)
	}
	before := thePool(t)

	b.load(b.alone(server))
	if thePool(t) != before {
		t.Fatal("another pool")
	}
	if held, _, _ := before.fleet.Held(); held {
		t.Error("work is held, and nobody is there who would let it go")
	}
	s, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Servers) != 1 || s.Servers[0].State != "up" || !s.Servers[0].Lead {
		t.Errorf("the servers are %+v", s.Servers)
	}
}

// TestOrdersHoldInANewPool: orders that came before there was a front door hold in it from
// its first request on.
func TestOrdersHoldInANewPool(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	with := b.cluster(freeAddress(t), "", fmt.Sprintf("server %s name=s1", s1.address))
	without, _, _ := strings.Cut(with, "http://")
	b.load(without)
	c := runningNode().conductor
	if _, err := c.Order("booster-b", rollout.Orders{Term: 1 << 40, Hold: true}); err != nil {
		t.Fatal(err)
	}
	b.load(with)
	held, _, _ := thePool(t).fleet.Held()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !held && c.orders.Hold { // else they have run out, on a slow machine
		t.Error("work is not held")
	}
}

// TestFailedClusterForgotten: a configuration that makes a cluster of servers without one,
// and fails, leaves nothing of it.
func TestFailedClusterForgotten(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	server := fmt.Sprintf("server %s name=s1", s1.address)
	b.load(b.alone(server))
	b.await(map[string]string{"s1": "up"})
	bad := b.cluster(freeAddress(t), "", server) + fmt.Sprintf("http://%s {\nrespond ok\n}\n", taken.Addr())
	for range 8 { // Caddy starts its apps in random order
		if err := b.tryLoad(bad); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Fatalf("loaded: %v", err)
		}
		if held, _, _ := thePool(t).fleet.Held(); held {
			t.Fatal("work is held, and nobody is there who would let it go")
		}
		if runningNode() != nil {
			t.Fatal("the node still runs")
		}
	}
}
