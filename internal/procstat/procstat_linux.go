package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func read(pid int) (u Usage, err error) {
	if u.CPU, err = readCPU(pid); err != nil {
		return Usage{}, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil {
		u.Resident, err = parseStatus(status)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	return u, nil
}

// readCPU asks the CPU clock of another process, which counts nanoseconds where
// /proc counts hundredths of a second. Its number is what clock_getcpuclockid(3)
// returns: all bits of the process id turned over, before three that say whose
// clock it is.
func readCPU(pid int) (time.Duration, error) {
	const ofScheduler = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofScheduler), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// parseStatus reads VmRSS, which is given in kB.
func parseStatus(status []byte) (int64, error) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kb, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS")
}
