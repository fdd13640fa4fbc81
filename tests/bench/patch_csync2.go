//go:build linux

package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/omflow/booster/internal/testbed/ports"
)

// csync2Sync is one csync2 server for each peer, and a loop that runs csync2 on a folder
// in which something has changed, as its users let inotify do. All have addresses of
// their own in 127.0.0.0/8, and speak without TLS.
type csync2Sync struct {
	targets
	queue *os.File // folders for the loop
	watch *fsnotify.Watcher
}

// It looks at what has changed when that has been quiet for as long as for the booster.
func (s *csync2Sync) waits() time.Duration { return patchSettle }

func (s *csync2Sync) start(b *bench, dir, source string, peers int) error {
	port, err := ports.Free()
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(hex.EncodeToString(key)), 0o600); err != nil {
		return err
	}
	var hosts, prefixes strings.Builder
	var args []string // of each host's csync2
	for i := range peers + 1 {
		root, address := source, fmt.Sprintf("127.0.1.%d", i+1)
		database := filepath.Join(dir, fmt.Sprint("database", i))
		if i > 0 {
			root = filepath.Join(dir, fmt.Sprint("peer", i))
			s.folders = append(s.folders, root)
			if err := fillHome(root); err != nil {
				return err
			}
		}
		if err := os.Mkdir(database, 0o700); err != nil {
			return err
		}
		fmt.Fprintf(&hosts, " %s", address)
		fmt.Fprintf(&prefixes, "on %s: %s;\n", address, root)
		args = append(args, fmt.Sprintf("-N %s -D %s -p %d", address, database, port))
	}
	config := fmt.Sprintf("nossl * *;\ngroup bench {\nhost%s;\nkey %s;\ninclude %%home%%;\nauto none;\n}\nprefix home {\n%s}\n", hosts.String(), keyFile, prefixes.String())
	if err := os.WriteFile(filepath.Join(dir, "csync2.cfg"), []byte(config), 0o600); err != nil {
		return err
	}
	if err := os.Setenv("CSYNC2_SYSTEM_DIR", dir); err != nil {
		return err
	}
	// What all have is noted, and not sent.
	for i, root := range append([]string{source}, s.folders...) {
		note := append([]string{"-c", "-I", "-r"}, append(strings.Fields(args[i]), root)...)
		if out, err := exec.Command("csync2", note...).CombinedOutput(); err != nil {
			return fmt.Errorf("csync2 -cIr: %w: %s", err, out)
		}
	}
	fifo := filepath.Join(dir, "changed")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		return fmt.Errorf("make %s: %w", fifo, err)
	}
	if s.queue, err = os.OpenFile(fifo, os.O_RDWR, 0); err != nil {
		return err
	}
	loop := fmt.Sprintf("while read -r dir; do csync2 -c -r %s \"$dir\" && csync2 -u %s; done <%s", args[0], args[0], fifo)
	command := []string{"sh", "-c", loop}
	for i := range args {
		p, err := b.start(fmt.Sprint("csync2-", i), -1, command...)
		if err != nil {
			return err
		}
		s.processes = append(s.processes, p)
		if i < peers {
			command = append([]string{"csync2", "-ii"}, strings.Fields(args[i+1])...)
		}
	}
	if s.watch, err = fsnotify.NewWatcher(); err != nil {
		return err
	}
	if err := s.watch.Add(source); err != nil {
		return err
	}
	go s.tell(source)
	return s.same()
}

// tell gives the loop each new folder of source when that has been quiet.
func (s *csync2Sync) tell(source string) {
	newest := ""
	quiet := time.NewTimer(time.Hour)
	for {
		select {
		case e, ok := <-s.watch.Events:
			if !ok {
				return
			}
			if filepath.Dir(e.Name) == source && e.Op.Has(fsnotify.Create) {
				newest = e.Name
				_ = s.watch.Add(newest) // without it the folder is taken too early, and does not arrive
			}
			quiet.Reset(patchSettle)
		case <-quiet.C:
			fmt.Fprintln(s.queue, newest)
		}
	}
}
