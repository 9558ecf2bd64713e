//go:build unix && (!linux || race)

package rawio

import "syscall"

// With the race detector the calls of package syscall are used on Linux, too: they tell it what one end of
// a connection knows from the other.

func write(fd uintptr, p []byte) (int, error) {
	for {
		if n, err := syscall.Write(int(fd), p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func read(fd uintptr, p []byte) (int, error) {
	for {
		if n, err := syscall.Read(int(fd), p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
