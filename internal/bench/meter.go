package bench

import "time"

// Usage is what a process used while it was measured. Known is false without
// a process to measure.
type Usage struct {
	Known bool
	// CPU is the time on the processor, user and system together.
	CPU time.Duration
	// ResidentBefore and ResidentAfter are bytes of memory at both ends.
	ResidentBefore, ResidentAfter int64
}

// meter measures one process; without a pid it measures nothing.
type meter struct {
	pid   int
	usage Usage
}

func (m *meter) start() error {
	if m.pid == 0 {
		return nil
	}
	cpu, resident, err := readProcess(m.pid)
	m.usage = Usage{CPU: -cpu, ResidentBefore: resident}
	return err
}

func (m *meter) stop() error {
	if m.pid == 0 {
		return nil
	}
	cpu, resident, err := readProcess(m.pid)
	m.usage.Known = err == nil
	m.usage.CPU += cpu
	m.usage.ResidentAfter = resident
	return err
}
