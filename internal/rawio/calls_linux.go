//go:build !race

package rawio

import (
	"syscall"
	"unsafe"
)

func write(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_WRITE, fd, p) }

func read(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_READ, fd, p) }

// call is a system call that does not block.
func call(number, fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
