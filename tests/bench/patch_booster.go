//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/testbed/ports"
)

// boosterSync is a booster and agents, whose servers need no restart. A round ends when
// all is staged; it is approved and applied after that.
type boosterSync struct {
	targets
	admin   string
	release uint64
	folder  string // the newest, and what was saved in it
	size    patchSize
}

func (s *boosterSync) waits() time.Duration { return patchSettle }

func (s *boosterSync) start(b *bench, dir, source string, peers int) error {
	server, err := b.servers("trivial", -1)
	if err != nil {
		return err
	}
	port := func() string {
		p, perr := ports.Free()
		if err == nil {
			err = perr
		}
		return fmt.Sprintf("127.0.0.1:%d", p)
	}
	gossip, front := port(), port()
	s.admin = port()
	run := func(name, global string) (*process, error) {
		file := filepath.Join(dir, name+".caddyfile")
		if err := os.WriteFile(file, []byte(global), 0o644); err != nil {
			return nil, err
		}
		return b.start(name, -1, b.binary, "run", "--config", file)
	}
	booster, berr := run("booster", fmt.Sprintf(`{
	admin %s
	persist_config off
	auto_https off
	omflow {
		name booster
		listen %s
		state_dir %q
	}
}
http://%s {
	omflow_booster
}
`, s.admin, gossip, filepath.Join(dir, "booster"), front))
	if err != nil || berr != nil {
		return fmt.Errorf("start the booster: %w, %w", err, berr)
	}
	roots := []string{source}
	for i := range peers {
		root := filepath.Join(dir, fmt.Sprint("peer", i))
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		roots = append(roots, root)
		s.folders = append(s.folders, root)
	}
	for i, root := range roots {
		agent, err := run(fmt.Sprint("agent", i), fmt.Sprintf(`{
	admin off
	persist_config off
	omflow {
		name s%d
		listen %s
		join %s
		state_dir %q
		agent {
			server %s
			health {
				live /
			}
			patch %q {
				settle %s
				on_change none
				approve manual
			}
		}
	}
}
`, i, port(), gossip, filepath.Join(dir, fmt.Sprint("agent", i)), server[i%len(server)], root, patchSettle))
		if err != nil {
			return err
		}
		s.processes = append(s.processes, agent)
		if i == 0 {
			// Its folder is to become the first release.
			if err := s.await(1); err != nil {
				return err
			}
		}
	}
	s.processes = append(s.processes, booster)
	if err := s.approve(); err != nil {
		return err
	}
	return s.same()
}

// arrived tells whether the applier has everything beside the folder.
func (s *boosterSync) arrived(folder string, p patchSize) (bool, error) {
	s.folder, s.size = folder, p
	for _, root := range s.folders {
		if !whole(filepath.Join(root, ".omflow-staging", "new"), p) {
			return false, nil
		}
	}
	return true, nil
}

// next approves the release, and waits until it is applied.
func (s *boosterSync) next() error {
	if err := s.approve(); err != nil {
		return err
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if there, err := s.targets.arrived(s.folder, s.size); there || err != nil {
			return err
		}
		if time.Since(begun) > patchPatience {
			return fmt.Errorf("release %d is not applied within %s", s.release, patchPatience)
		}
	}
}

// approve lets the next release be applied.
func (s *boosterSync) approve() error {
	s.release++
	if err := s.await(s.release); err != nil {
		return err
	}
	return s.call(http.MethodPost, fmt.Sprintf("/omflow/releases/%d/approve", s.release), &struct{}{})
}

// await waits for a release to have its number.
func (s *boosterSync) await(number uint64) error {
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		var list struct{ Head uint64 }
		err := s.call(http.MethodGet, "/omflow/releases", &list)
		if err == nil && list.Head >= number {
			return nil
		}
		if time.Since(begun) > patchPatience {
			return fmt.Errorf("release %d is not there within %s: the newest is %d, %w", number, patchPatience, list.Head, err)
		}
	}
}

func (s *boosterSync) call(method, path string, answer any) error {
	req, err := http.NewRequest(method, "http://"+s.admin+path, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
