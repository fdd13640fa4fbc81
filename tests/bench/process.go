//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// childFlag as the first argument makes this program one of its own children.
const childFlag = "-child"

// bench holds what runs.
type bench struct {
	dir, binary string

	mu        sync.Mutex
	processes []*process
}

type process struct {
	cmd *exec.Cmd
	log string
}

// pin is the core a process runs on; -1 is any.
func (b *bench) start(name string, pin int, command ...string) (*process, error) {
	if pin >= 0 {
		if _, err := exec.LookPath("taskset"); err != nil {
			return nil, errors.New("taskset is missing: it is in util-linux")
		}
		command = append([]string{"taskset", "-c", strconv.Itoa(pin)}, command...)
	}
	log := filepath.Join(b.dir, name+".log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+b.dir, "XDG_CONFIG_HOME="+b.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{cmd: cmd, log: log}
	b.mu.Lock()
	b.processes = append(b.processes, p)
	b.mu.Unlock()
	return p, nil
}

func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.cmd.Wait()
}

func (b *bench) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.processes {
		p.stop()
	}
	b.processes = nil
}

// all lists the process and its children, whichever of its threads has started them.
func (p *process) all() []int {
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i])) // the pattern is right
		for _, list := range lists {
			children, err := os.ReadFile(list)
			if err != nil {
				continue // the thread has just ended
			}
			for _, c := range strings.Fields(string(children)) {
				if n, err := strconv.Atoi(c); err == nil {
					pids = append(pids, n)
				}
			}
		}
	}
	return pids
}

// processorTime is what the process and its children have used, in seconds.
func (p *process) processorTime() (float64, error) {
	var ticks float64
	for i, pid := range p.all() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil && i > 0 {
			continue // it has just ended
		}
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		user, err1 := strconv.ParseFloat(fields[11], 64)
		system, err2 := strconv.ParseFloat(fields[12], 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		ticks += user + system
	}
	const ticksPerSecond = 100 // USER_HZ, the same on all Linux
	return ticks / ticksPerSecond, nil
}

// awaitAnswer returns when the address answers with HTTP 200.
func awaitAnswer(address string, p *process) error {
	deadline := time.Now().Add(15 * time.Second)
	for time.Now().Before(deadline) {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.SetDeadline(time.Now().Add(2 * time.Second))
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
			line, _ := bufio.NewReader(c).ReadString('\n')
			c.Close()
			if strings.Contains(line, " 200") {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(p.log)
	return fmt.Errorf("nothing answers at %s; its log says:\n%s", address, log)
}
