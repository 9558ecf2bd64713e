package engineio

import (
	"syscall"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
)

// readable tries to read. False, which waits for the descriptor, it returns without holding a
// buffer, unless the start of a frame is in it. True without a buffer asks for another goroutine.
func (c *wsCarrier) readable(fd uintptr) bool {
	pools := &c.s.srv.pools
	b := c.in
	if b == nil {
		b = pools.readBuf()
	}
	n, err := rawio.Read(fd, b.data[b.n:])
	switch {
	case err == syscall.EAGAIN:
		if c.in == nil {
			pools.putReadBuf(b)
			return c.handOver()
		}
		return false
	case err != nil:
		b.err = err
	default:
		b.n += n
	}
	c.in = b
	return true
}
