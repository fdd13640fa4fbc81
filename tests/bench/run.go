//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func run(args []string) error {
	if len(args) > 0 && args[0] == childFlag {
		return child(args[1:])
	}
	only := flag.String("only", "", "cpu, flood or patch; default cpu and flood")
	rounds := flag.Int("rounds", 5, "rounds of the cpu and the patch benchmark")
	by := flag.String("by", "", "the patch benchmark of one alone: booster, plain, nginx, inotify, lsyncd, csync2 or Syncthing")
	peers := flag.Int("peers", 2, "peers in the patch benchmark")
	span := flag.Duration("time", 0, "how long each measurement takes (default cpu 3s, flood 20s)")
	booster := flag.String("booster", "", "the booster's binary; default: built now")
	flag.Parse()
	if *only != "" && *only != "cpu" && *only != "flood" && *only != "patch" {
		return fmt.Errorf("-only %s: write cpu, flood or patch", *only)
	}
	if *rounds < 1 || *peers < 1 {
		return fmt.Errorf("-rounds %d -peers %d: at least 1", *rounds, *peers)
	}
	dir, err := os.MkdirTemp("", "omflow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *booster == "" {
		*booster = filepath.Join(dir, "booster")
		build := exec.Command("go", "build", "-o", *booster, "github.com/omflow/booster/cmd/booster")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build the booster: %w", err)
		}
	}
	b := &bench{dir: dir, binary: *booster}
	defer b.stop()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		b.stop()
		os.RemoveAll(dir)
		os.Exit(130)
	}()
	if *only == "patch" {
		return b.patch(*rounds, *peers, *by)
	}
	if *only != "flood" {
		if err := b.cpu(*rounds, orTime(*span, 3*time.Second)); err != nil {
			return err
		}
	}
	if *only != "cpu" {
		return b.flood(orTime(*span, 20*time.Second))
	}
	return nil
}

func orTime(d, byDefault time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return byDefault
}
