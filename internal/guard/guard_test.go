//go:build unix

package guard

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guarded")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	g, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	g.Watch(sleeper.Process.Pid)
	g.End()
	_ = sleeper.Wait()
	if status := sleeper.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("the process ended with %v", sleeper.ProcessState)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// A process that ended by itself is not killed: another one may have its id.
func TestEndOfNone(t *testing.T) {
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	g, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	g.Watch(sleeper.Process.Pid)
	g.Watch(0)
	g.End()
	_ = sleeper.Process.Signal(syscall.SIGTERM)
	_ = sleeper.Wait()
	if status := sleeper.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v", sleeper.ProcessState)
	}
}
