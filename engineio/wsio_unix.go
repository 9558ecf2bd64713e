//go:build unix

package engineio

import (
	"io"
	"syscall"
)

// readable tries to read. False, which waits for the descriptor, it returns without holding a
// buffer, unless the start of a frame is in it. True without a buffer asks for another goroutine.
func (c *wsCarrier) readable(fd uintptr) bool {
	pools := &c.s.srv.pools
	b := c.in
	if b == nil {
		b = pools.readBuf()
	}
	n, err := syscall.Read(int(fd), b.data[b.n:])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), b.data[b.n:])
	}
	switch {
	case err == syscall.EAGAIN:
		if c.in == nil {
			pools.putReadBuf(b)
			return c.handOver()
		}
		return false
	case err != nil:
		b.err = err
	case n == 0:
		b.err = io.EOF
	default:
		b.n += n
	}
	c.in = b
	return true
}
