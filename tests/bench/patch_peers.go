//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/omflow/booster/internal/testbed/ports"
)

// lsyncdSync is lsyncd, which runs one rsync for each target.
type lsyncdSync struct{ targets }

// lsyncd's delay is in whole seconds, and 0 starts an rsync for each event.
func (s *lsyncdSync) waits() time.Duration { return time.Second }

func (s *lsyncdSync) start(b *bench, dir, source string, peers int) error {
	var config strings.Builder
	fmt.Fprintf(&config, "settings { nodaemon = true, statusFile = %q }\n", filepath.Join(dir, "status"))
	for i := range peers {
		target := filepath.Join(dir, fmt.Sprint("peer", i))
		s.folders = append(s.folders, target)
		fmt.Fprintf(&config, "sync { default.rsync, source = %q, target = %q, delay = 1, rsync = { archive = true } }\n", source, target)
	}
	file := filepath.Join(dir, "lsyncd.lua")
	if err := os.WriteFile(file, []byte(config.String()), 0o644); err != nil {
		return err
	}
	p, err := b.start("lsyncd", -1, "lsyncd", file)
	if err != nil {
		return err
	}
	s.processes = []*process{p}
	return s.same()
}

// syncthingSync is one Syncthing for the source and one for each peer.
type syncthingSync struct{ targets }

// fsWatcherDelayS is in whole seconds in Debian 12's Syncthing 1.19.
func (s *syncthingSync) waits() time.Duration { return time.Second }

func (s *syncthingSync) start(b *bench, dir, source string, peers int) error {
	type node struct{ home, root, id, address string }
	var nodes []node
	for i := range peers + 1 {
		n := node{home: filepath.Join(dir, fmt.Sprint("home", i)), root: source}
		if i > 0 {
			n.root = filepath.Join(dir, fmt.Sprint("peer", i))
			s.folders = append(s.folders, n.root)
		}
		if err := os.MkdirAll(filepath.Join(n.root, ".stfolder"), 0o755); err != nil {
			return err
		}
		if out, err := exec.Command("syncthing", "generate", "--home", n.home, "--no-default-folder", "--skip-port-probing").CombinedOutput(); err != nil {
			return fmt.Errorf("syncthing generate: %w: %s", err, out)
		}
		id, err := exec.Command("syncthing", "--home", n.home, "--device-id").Output()
		if err != nil {
			return fmt.Errorf("syncthing --device-id: %w", err)
		}
		port, err := ports.Free()
		if err != nil {
			return err
		}
		n.id, n.address = strings.TrimSpace(string(id)), fmt.Sprintf("tcp://127.0.0.1:%d", port)
		nodes = append(nodes, n)
	}
	for i, n := range nodes {
		var config strings.Builder
		fmt.Fprintf(&config, `<configuration version="35"><folder id="bench" path=%q type="sendreceive" fsWatcherEnabled="true" fsWatcherDelayS="%d" rescanIntervalS="3600">`, n.root, int(s.waits().Seconds()))
		for _, other := range nodes {
			fmt.Fprintf(&config, "<device id=%q></device>", other.id)
		}
		config.WriteString("</folder>")
		for _, other := range nodes {
			fmt.Fprintf(&config, `<device id=%q compression="never"><address>%s</address></device>`, other.id, other.address)
		}
		fmt.Fprintf(&config, `<gui enabled="false"></gui><options><listenAddress>%s</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled><startBrowser>false</startBrowser><reconnectionIntervalS>1</reconnectionIntervalS><urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH><crashReportingEnabled>false</crashReportingEnabled></options></configuration>`, n.address)
		if err := os.WriteFile(filepath.Join(n.home, "config.xml"), []byte(config.String()), 0o600); err != nil {
			return err
		}
		p, err := b.start(fmt.Sprint("syncthing", i), -1, "syncthing", "serve", "--home", n.home, "--no-browser", "--no-restart")
		if err != nil {
			return err
		}
		s.processes = append(s.processes, p)
	}
	return s.same()
}
