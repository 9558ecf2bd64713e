//go:build unix

package chaos

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
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

	guards *exec.Cmd      // see guard
	alive  io.WriteCloser // its input
	exited chan struct{}
	code   int // its exit code, once exited is closed

	ended    time.Time // when it was killed or told to stop
	silences []span    // while it could not give a life sign
	troubled bool      // its clients wait for answers, and that is no fault of its own
}

type span struct{ from, to time.Time }

var readyLine = regexp.MustCompile(`http://(\S+)`)

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
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := n.guard(); err != nil {
		n.signal(syscall.SIGKILL)
		_ = n.cmd.Wait()
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		defer close(n.exited)
		text, _ := bufio.NewReader(out).ReadString('\n')
		line <- text
		_ = n.cmd.Wait()
		n.code = n.cmd.ProcessState.ExitCode()
		_, _ = n.alive.Write([]byte("\n"))
		_ = n.alive.Close()
		_ = n.guards.Wait()
	}()
	select {
	case text := <-line:
		if found := readyLine.FindStringSubmatch(text); found != nil {
			n.addr = found[1]
			return n, nil
		}
	case <-time.After(readyTime):
	}
	n.kill()
	said, _ := os.ReadFile(n.log)
	return nil, fmt.Errorf("%s is not ready after %v; it said:\n%s", name, readyTime, said)
}

// guard starts a shell that kills the node if this process is killed, and ends
// with the node otherwise.
func (n *node) guard() (err error) {
	n.guards = exec.Command("sh", "-c", `read -r line || kill -9 "$1"`, "sh", strconv.Itoa(n.cmd.Process.Pid))
	n.guards.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt on the terminal is not for it
	if n.alive, err = n.guards.StdinPipe(); err != nil {
		return err
	}
	return n.guards.Start()
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
