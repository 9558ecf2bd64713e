//go:build unix

package readyline

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestAwait(t *testing.T) {
	const long, short = time.Minute, 50 * time.Millisecond
	for name, c := range map[string]struct {
		script string
		within time.Duration
		want   string
	}{
		"a URL":   {"echo serves at http://127.0.0.1:1234 now; exec sleep 60", long, "http://127.0.0.1:1234"},
		"no URL":  {"echo serves nothing; exec sleep 60", long, ""},
		"no line": {"exec sleep 60", short, ""},
		"its end": {"exit 1", long, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", c.script)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			got, err := Await(cmd, out, c.within)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v", got, err)
			}
			if err == nil && cmd.Process.Signal(syscall.SIGKILL) != nil {
				t.Error("the process was not left alone")
			}
			_ = cmd.Wait()
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if name != "its end" && status.Signal() != syscall.SIGKILL {
				t.Errorf("the process ended with %v", cmd.ProcessState)
			}
		})
	}
}
