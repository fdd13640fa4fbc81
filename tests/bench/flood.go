//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	bulkClients = 64
	floodUsers  = 5
	userPause   = 150 * time.Millisecond
	floodWarm   = 5 * time.Second
)

// flood measures clicks beside bulk work.
func (b *bench) flood(span time.Duration) error {
	peers := []peer{boosterPeer(threads)}
	if installed("haproxy") {
		peers = append(peers,
			haproxyPeer("HAProxy, maxconn 8, priority", 8, true),
			haproxyPeer("HAProxy, maxconn 4, priority", 4, true),
			haproxyPeer("HAProxy, maxconn 2, priority", 2, true),
			haproxyPeer("HAProxy, no limit", 0, false))
	}
	if installed("nginx") {
		peers = append(peers, nginxPeer())
	}
	peers = append(peers, caddyPeer())
	fmt.Printf("%d users beside a bulk client with %d creates at once, three servers with OMFLOW's speed, %s\n\n", floodUsers, bulkClients, span)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "proxy\tclicks p50\tp99\tmax\tcreates/s\tclicks/s\terrors\t")
	for _, p := range peers {
		// Servers of its own, so that nothing of one run is in the next.
		servers, err := b.servers("omflow", -1)
		if err != nil {
			return err
		}
		address, _, err := b.startPeer(p, servers, -1)
		if err != nil {
			return err
		}
		r := runFlood(address, bulkClients, floodUsers, span)
		fmt.Fprintf(t, "%s\t%.0f ms\t%.0f ms\t%.0f ms\t%.1f\t%.1f\t%d\t\n", p.name,
			r.clicks(50), r.clicks(99), r.clicks(100), float64(r.creates)/span.Seconds(), float64(len(r.latencies))/span.Seconds(), r.errors)
		b.stop()
	}
	t.Flush()
	return nil
}

type floodResult struct {
	mu        sync.Mutex
	latencies []float64 // milliseconds
	creates   int
	errors    int
}

// clicks returns a percentile of the clicks' latencies, in milliseconds.
func (r *floodResult) clicks(percent int) float64 {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(len(r.latencies)-1, len(r.latencies)*percent/100)]
}

func runFlood(address string, bulk, users int, span time.Duration) *floodResult {
	r := &floodResult{}
	from := time.Now().Add(floodWarm)
	end := from.Add(span)
	note := func(err error, took time.Duration, create bool) {
		if now := time.Now(); now.Before(from) || now.After(end) {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case err != nil:
			r.errors++
		case create:
			r.creates++
		default:
			r.latencies = append(r.latencies, float64(took.Microseconds())/1000)
		}
	}
	// Without a token: behind the others, servers would refuse one another's.
	body := []byte(`{"omflow_restapi":true,"action":"create","formdata":[{"id":"FORMITM_1","type":"h_title","value":"t"}]}`)
	var all sync.WaitGroup
	for range bulk {
		all.Go(func() {
			c := &client{address: address}
			for time.Now().Before(end) {
				err := c.do("POST", "/rest/flowmanage/api/omdata/edit/mission/", body)
				note(err, 0, true)
				if err != nil {
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	for u := range users {
		all.Go(func() {
			time.Sleep(time.Duration(u) * 40 * time.Millisecond)
			c := &client{address: address}
			for time.Now().Before(end) {
				for _, path := range []string{"/my-mission/", "/api/workinfo/load/"} {
					start := time.Now()
					err := c.do("GET", path, nil)
					note(err, time.Since(start), false)
				}
				time.Sleep(userPause)
			}
		})
	}
	all.Wait()
	slices.Sort(r.latencies)
	return r
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

func minMax(v []float64) (lo, hi float64) { return slices.Min(v), slices.Max(v) }
