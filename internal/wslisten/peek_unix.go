//go:build unix

package wslisten

import (
	"errors"
	"syscall"
)

const canPeek = true

// peek copies what has come into p without taking it. It is not ready while nothing has come. At the end of
// what comes, and after a failure, it is ready with nothing.
func peek(fd uintptr, p []byte) (n int, ready bool) {
	for {
		n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return 0, false
		case err != nil:
			return 0, true
		default:
			return n, true
		}
	}
}
