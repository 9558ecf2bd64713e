//go:build unix

package rawio

import (
	"io"
	"syscall"
)

// descriptor is a descriptor of the system that does not block.
type descriptor struct{ syscall.RawConn }

func ofDescriptor(raw syscall.RawConn) Conn { return descriptor{raw} }

// TryRead implements Conn.
func (descriptor) TryRead(fd uintptr, p []byte) (n int, err error) {
	n, err = read(fd, p)
	switch {
	case err == syscall.EAGAIN:
		return 0, nil
	case n == 0 && err == nil:
		return 0, io.EOF
	}
	return n, err
}

// TryWrite implements Conn.
func (descriptor) TryWrite(fd uintptr, p []byte) (n int, err error) {
	n, err = write(fd, p)
	if err == syscall.EAGAIN {
		return 0, nil
	}
	return n, err
}
