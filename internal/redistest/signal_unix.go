//go:build unix

package redistest

import (
	"errors"
	"os/exec"
	"syscall"
)

var errStopped = errors.New("it is stopped")

func freeze(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGSTOP) }
func thaw(cmd *exec.Cmd) error   { return signal(cmd, syscall.SIGCONT) }

func signal(cmd *exec.Cmd, s syscall.Signal) error {
	if cmd == nil {
		return errStopped
	}
	return cmd.Process.Signal(s)
}
