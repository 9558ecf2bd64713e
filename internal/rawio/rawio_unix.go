//go:build unix

package rawio

import "syscall"

const supported = true

// write writes once what the connection takes without waiting.
func (w *Writer) write(fd uintptr) bool {
	n, err := syscall.Write(int(fd), w.data)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), w.data)
	}
	switch {
	case err == syscall.EAGAIN:
	case err != nil:
		w.err = err
	default:
		w.n = n
	}
	return true
}
