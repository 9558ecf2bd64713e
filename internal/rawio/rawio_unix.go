//go:build unix && (!linux || race)

// With the race detector the calls of package syscall are used, since they tell it what one end of a
// connection knows from the other.

package rawio

import "syscall"

const supported = true

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
