//go:build unix

package connlimit

import (
	"math"
	"syscall"
)

// openFiles is how many files the process may open at a time, 0 if as many as it likes.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	if files := uint64(limit.Cur); files < math.MaxInt32 { // the highest number that a descriptor has
		return int(files)
	}
	return 0
}
