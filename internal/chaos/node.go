//go:build unix

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/guard"
	"github.com/realtime-ai/realtime-message-go/internal/readyline"
)

// readyTime bounds the wait for a node to serve, and exitTime for one that was
// told to stop to do so: its drain takes 20 s at most.
const (
	readyTime = 20 * time.Second
	exitTime  = 30 * time.Second
)

// node is one realtime process. What the truth needs to know of it is guarded
// by the truth's mu.
type node struct {
	name string
	addr string // host:port of its listener
	log  string // the file that it logs to
	cmd  *exec.Cmd

	exited chan struct{}
	code   int // its exit code, once exited is closed

	ended    time.Time // when it was killed or told to stop
	silences []span    // while it could not give a life sign
	troubled bool      // its clients wait for answers, and that is no fault of its own
}

type span struct{ from, to time.Time }

// startNode runs `realtime serve` and waits until it is ready.
func startNode(binary, dir, name string, env ...string) (*node, error) {
	n := &node{name: name, log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	logs, err := os.Create(n.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	n.cmd = exec.Command(binary, "serve")
	n.cmd.Dir = dir
	n.cmd.Env = append([]string{"HOST=127.0.0.1", "PORT=0"}, env...)
	n.cmd.Stderr = logs
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	killer, err := guard.New("")
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		killer.End()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	killer.Watch(n.cmd.Process.Pid)
	url, notReady := readyline.Await(n.cmd, out, readyTime)
	go func() {
		defer close(n.exited)
		_ = n.cmd.Wait()
		n.code = n.cmd.ProcessState.ExitCode()
		killer.Watch(0)
		killer.End()
	}()
	if notReady != nil {
		n.kill()
		said, _ := os.ReadFile(n.log)
		return nil, fmt.Errorf("%s is not ready: %w; it said:\n%s", name, notReady, said)
	}
	n.addr = strings.TrimPrefix(url, "http://")
	return n, nil
}

// signal sends a signal; a process that is gone already takes none.
func (n *node) signal(s syscall.Signal) { _ = n.cmd.Process.Signal(s) }

// kill ends the process at once and waits until it is gone.
func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.exited
}

// wait waits for a process that was told to stop.
func (n *node) wait() error {
	select {
	case <-n.exited:
	case <-time.After(exitTime):
		return fmt.Errorf("%s still runs %v after SIGTERM", n.name, exitTime)
	}
	if n.code != 0 {
		return fmt.Errorf("%s ended with code %d", n.name, n.code)
	}
	return nil
}
