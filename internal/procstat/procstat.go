// Package procstat reads what a process has used: this one, or another on the same
// machine. It can do so on Linux only.
package procstat

import "time"

// Usage is what a process has used.
type Usage struct {
	// CPU is its time on a processor since its start, user and system together.
	CPU time.Duration
	// Resident is its resident memory now, in bytes.
	Resident int64
}

// Read reads the usage of a process by its id. It returns an error if there is no such
// process, and on other systems than Linux.
func Read(pid int) (Usage, error) { return read(pid) }
