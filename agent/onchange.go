package agent

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/omflow/booster/internal/supervise"
)

// commandTime bounds what `on_change run` runs.
const commandTime = time.Minute

// putAndRun applies a release beside a process that goes on, and runs the command for it.
// That it has failed people are told: the release counts as applied.
func (m *monitor) putAndRun(ctx context.Context, p *patching, number uint64) error {
	if err := p.put(ctx, number); err != nil {
		return err
	}
	err := p.run(ctx)
	if err != nil && ctx.Err() == nil {
		text := fmt.Sprintf("release %d is applied on server %s, and the command for it has failed, so that the server may run on what was there before: %v", number, m.name, err)
		m.part.answers <- func() { m.part.failed.add(time.Now(), []string{text}) }
	}
	return err
}

// run runs the command for `on_change run`, if there is one.
func (p *patching) run(ctx context.Context) error {
	command := p.conf.OnChangeRun
	if len(command) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = p.conf.Folder
	cmd.WaitDelay = time.Second
	var said output
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		// The command itself has ended well.
		p.log.Warn("the command for a change has left a program running that holds its output, which nobody reads any more: have it write to a file",
			"command", command[0])
		err = nil
	}
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", command[0], err, bound(supervise.WithoutSecrets(strings.TrimSpace(string(said)))))
	}
	p.log.Info("the command for a change was run", "command", command[0])
	return nil
}

// maxOutput is how much is kept of what a command says, in bytes: more than is told of it,
// so that a password at the end of that is known as one.
const maxOutput = 4 * maxReason

// output keeps the beginning of what a command says.
type output []byte

// Write implements io.Writer; it never fails.
func (o *output) Write(p []byte) (int, error) {
	*o = append(*o, p[:min(len(p), maxOutput-len(*o))]...)
	return len(p), nil
}
