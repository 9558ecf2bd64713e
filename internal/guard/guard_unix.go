//go:build unix

package guard

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// Guard is a shell that outlives this process if need be: when its input ends, it kills
// the process that it was told of last, and removes the folder. Its methods must not be
// called at the same time.
type Guard struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

const script = `pid=0
while read -r line; do pid=$line; done
[ "$pid" = 0 ] || kill -9 "$pid"
[ -z "$1" ] || rm -rf "$1"`

// New starts a guard of a folder; "": of none. End it.
func New(dir string) (*Guard, error) {
	cmd := exec.Command("sh", "-c", script, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt on the terminal is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &Guard{cmd, in}, cmd.Start()
}

// Watch tells the guard which process runs; 0: none. Say so once a process has been waited
// for: its id may be that of another one soon after.
func (g *Guard) Watch(pid int) { _, _ = fmt.Fprintln(g.in, pid) }

// End has the guard kill the process that it watches, remove the folder and end, and
// waits for that.
func (g *Guard) End() {
	_ = g.in.Close()
	_ = g.cmd.Wait()
}
