package procstat

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
)

// The CPU time of another process is that which its parent is told at its end.
func TestCPUOfAnotherProcess(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read -r line || true")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Error(err)
	}
	used, readErr := Read(cmd.Process.Pid)
	in.Close()
	if err := cmd.Wait(); err != nil || readErr != nil {
		t.Fatal(err, readErr)
	}
	whole := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if got := used.CPU; got <= whole/2 || got > whole {
		t.Errorf("read %v, of %v at its end", got, whole)
	}
}

func TestParseStatus(t *testing.T) {
	if got, err := parseStatus([]byte("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    2048 kB\n")); err != nil || got != 2<<20 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "Name:\tx\n", "VmRSS:\tmuch kB\n"} {
		if _, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestThisProcess(t *testing.T) {
	used, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used.CPU <= 0 || used.Resident <= 0 {
		t.Errorf("read %+v", used)
	}
	if _, err := Read(1 << 30); err == nil {
		t.Error("a process that does not exist was measured")
	}
}
