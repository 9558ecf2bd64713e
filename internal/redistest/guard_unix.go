//go:build unix

package redistest

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// guard is a shell that outlives this process if need be: when its input ends
// it kills the server that it was told of last, and removes the folder.
type guard struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

const guardScript = `pid=0
while read -r line; do pid=$line; done
[ "$pid" = 0 ] || kill -9 "$pid"
rm -rf "$1"`

func newGuard(dir string) (*guard, error) {
	cmd := exec.Command("sh", "-c", guardScript, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt on the terminal is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &guard{cmd, in}, cmd.Start()
}

// watch tells it which process runs; 0: none.
func (g *guard) watch(pid int) { _, _ = fmt.Fprintln(g.in, pid) }

// end has it do its work, and waits for that.
func (g *guard) end() {
	_ = g.in.Close()
	_ = g.cmd.Wait()
}

var errStopped = errors.New("it is stopped")

func freeze(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGSTOP) }
func thaw(cmd *exec.Cmd) error   { return signal(cmd, syscall.SIGCONT) }

func signal(cmd *exec.Cmd, s syscall.Signal) error {
	if cmd == nil {
		return errStopped
	}
	return cmd.Process.Signal(s)
}
