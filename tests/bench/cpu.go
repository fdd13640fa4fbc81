//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/omflow/booster/internal/testbed/ports"
)

const cpuConnections = 32

// cpu measures the processor time of a request.
func (b *bench) cpu(rounds int, span time.Duration) error {
	peers := []peer{boosterPeer(1024), caddyPeer()}
	if installed("haproxy") {
		peers = append(peers, haproxyPeer("HAProxy", 0, false))
	}
	if installed("nginx") {
		peers = append(peers, nginxPeer())
	}
	proxyCore, otherCore := 0, 1
	if runtime.NumCPU() < 2 {
		proxyCore, otherCore = -1, -1
	}
	servers, err := b.servers("trivial", otherCore)
	if err != nil {
		return err
	}
	type running struct {
		peer
		process *process
		address string
		costs   []float64
		rates   []float64
	}
	var all []*running
	for _, p := range peers {
		address, process, err := b.startPeer(p, servers, proxyCore)
		if err != nil {
			return err
		}
		all = append(all, &running{peer: p, process: process, address: address})
	}
	for round := range rounds + 1 { // the first warms up
		for _, r := range all {
			before, err := r.process.processorTime()
			if err != nil {
				return err
			}
			n, err := b.load(r.address, otherCore, span)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			after, err := r.process.processorTime()
			if err != nil {
				return err
			}
			if round > 0 {
				r.costs = append(r.costs, (after-before)/float64(n)*1e6)
				r.rates = append(r.rates, float64(n)/span.Seconds())
			}
		}
	}
	fmt.Printf("Processor time of a proxied keep-alive request, 1 kB answer, sticky cookie, one core; median of %d rounds of %s\n\n", rounds, span)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "proxy\tµs/request\t(min–max)\trequests/s\tratio to stock Caddy\t")
	caddy := median(all[1].costs)
	for _, r := range all {
		lo, hi := minMax(r.costs)
		fmt.Fprintf(t, "%s\t%.1f\t(%.1f–%.1f)\t%.0f\t%.2f\t\n", r.name, median(r.costs), lo, hi, median(r.rates), median(r.costs)/caddy)
	}
	t.Flush()
	fmt.Println()
	b.stop()
	return nil
}

// servers starts three servers of a kind.
func (b *bench) servers(kind string, core int) ([]string, error) {
	var addresses []string
	for range 3 {
		port, err := ports.Free()
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", port))
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := b.start("servers", core, append([]string{program, childFlag, kind}, addresses...)...)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if err := awaitAnswer(a, p); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}

func (b *bench) startPeer(p peer, servers []string, core int) (address string, process *process, err error) {
	port, err := ports.Free()
	if err != nil {
		return "", nil, err
	}
	address = fmt.Sprintf("127.0.0.1:%d", port)
	command, err := p.command(b, address, servers)
	if err != nil {
		return "", nil, err
	}
	if process, err = b.start(strings.ReplaceAll(p.name, " ", "-"), core, command...); err != nil {
		return "", nil, err
	}
	return address, process, awaitAnswer(address, process)
}

// load runs the clients in a process of their own and returns how many requests
// they made.
func (b *bench) load(address string, core int, span time.Duration) (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := []string{program, childFlag, "load", address, strconv.Itoa(cpuConnections), span.String()}
	if core >= 0 {
		args = append([]string{"taskset", "-c", strconv.Itoa(core)}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// loadChild sends as many requests as it can and prints their number.
func loadChild(address, connections, span string) error {
	n, err := strconv.Atoi(connections)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(span)
	if err != nil {
		return err
	}
	end := time.Now().Add(d)
	var made atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			c := &client{address: address}
			for time.Now().Before(end) {
				if err := c.do("GET", "/my-mission/", nil); err != nil {
					failed.Store(&err)
					return
				}
				made.Add(1)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	fmt.Println(made.Load())
	return nil
}
