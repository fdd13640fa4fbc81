package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// canAdopt: the job, which is what ends the server's own children, cannot be
// opened again once the agent is gone.
const canAdopt = false

// exit says how a process ended.
type exit struct{ text string }

// process is a server process and the job that holds it and its children.
type process struct {
	pid    int
	exited chan exit // gets one value when the process and its job are gone

	mu  sync.Mutex
	job windows.Handle // 0 once closed
}

// startProcess runs cfg.Command with its output appended to out. What the
// process starts in the moment before it is put in its job stays outside; an
// interpreter takes longer than that to come up.
func startProcess(cfg Config, out *os.File) (*process, error) {
	job, err := newJob()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(cfg.Command[0], cfg.Command[1:]...)
	cmd.Dir = cfg.Dir
	cmd.Env = environment(os.Environ(), cfg.Without, cfg.Env)
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own: only then can CTRL_BREAK be sent to it alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	if err := cmd.Start(); err != nil {
		windows.CloseHandle(job)
		return nil, fmt.Errorf("start process: %w", err)
	}
	if err := assign(job, cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		windows.CloseHandle(job)
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, exited: make(chan exit, 1), job: job}
	go func() {
		err := cmd.Wait()
		p.closeJob() // ends what the process left behind
		p.exited <- exit{text: exitText(cmd, err)}
	}()
	return p, nil
}

func exitText(cmd *exec.Cmd, err error) string {
	if cmd.ProcessState == nil {
		return fmt.Sprintf("exit status not known: %v", err)
	}
	return fmt.Sprintf("exit status %d", cmd.ProcessState.ExitCode())
}

// newJob makes a job whose processes end with its last handle, which is ours.
func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("make job: %w", err)
	}
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))); err != nil {
		windows.CloseHandle(job)
		return 0, fmt.Errorf("set up job: %w", err)
	}
	return job, nil
}

func assign(job windows.Handle, pid int) error {
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer windows.CloseHandle(h)
	if err := windows.AssignProcessToJobObject(job, h); err != nil {
		return fmt.Errorf("put process %d in its job: %w", pid, err)
	}
	return nil
}

// term asks the process' console group to end. It fails where the agent has no
// console, as a service has none; the process is killed then.
func (p *process) term() error {
	if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.pid)); err != nil {
		return fmt.Errorf("send CTRL_BREAK to %d: %w", p.pid, err)
	}
	return nil
}

// kill ends the process and all in its job.
func (p *process) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.job == 0 {
		return nil
	}
	if err := windows.TerminateJobObject(p.job, 1); err != nil {
		return fmt.Errorf("end job of %d: %w", p.pid, err)
	}
	return nil
}

// abandon gives up a process that did not vanish when it was killed.
func (p *process) abandon() { p.closeJob() }

func (p *process) closeJob() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.job != 0 {
		windows.CloseHandle(p.job)
		p.job = 0
	}
}

// What follows is not reached where canAdopt is false.

func (p *process) record(string) record { return record{} }

func (r record) lives() error { return errors.New("processes cannot be recognised on this system") }

func adoptProcess(r record) (*process, time.Time, error) { return nil, time.Time{}, r.lives() }

func adoptRest(record) (*process, time.Time, error) { return nil, time.Time{}, nil }
