package engineio

import (
	"errors"
	"io"
	"time"
)

const (
	// readSize is the size of the pooled buffers, which are held only while bytes are handled.
	readSize = 8 << 10
	// plainReadSize is that of a connection which cannot wait without a buffer.
	plainReadSize = 2 << 10
)

// readBuf holds bytes that were read and not yet handled.
type readBuf struct {
	data []byte
	n    int   // bytes in data
	err  error // why the last read gave none
}

// The stack of a goroutine grows to what the handlers need, and the runtime does not shrink it to what
// waiting needs. Since nearly all sessions wait nearly all the time, a reading goroutine that has
// handled something is replaced by a new one, whose stack is small, before it waits: several times
// after the session's start, when handshake, joins and the like come, and then now and again. That
// costs about a microsecond.
const (
	handOverPause = 5 * time.Second // between two hand-overs
	handOverBurst = 4               // how many may be saved up
	handOverSaved = (handOverBurst - 1) * handOverPause
)

// errHandOver asks the reading goroutine to let another one go on.
var errHandOver = errors.New("engineio: time for another goroutine")

// handOver says whether the goroutine that is about to wait is to be replaced.
func (c *wsCarrier) handOver() bool {
	now := time.Duration(c.s.last.Load()) // near enough, and free
	if !c.used || now < c.handOverAt {
		return false
	}
	c.used = false
	c.handOverAt = max(c.handOverAt, now-handOverSaved) + handOverPause
	return true
}

// read waits for bytes, and puts them behind those that c.in has. There is always room, since the
// parser leaves no more behind than the start of a frame that fits.
func (c *wsCarrier) read() error {
	if c.raw != nil {
		if err := c.raw.Read(c.ready); err != nil {
			return err
		}
		if c.in == nil {
			return errHandOver
		}
		return c.in.err
	}
	n, err := c.conn.Read(c.in.data[c.in.n:])
	c.in.n += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// readable tries to read. False, which waits for the connection, it returns without holding a
// buffer, unless the start of a frame is in it. True without a buffer asks for another goroutine.
func (c *wsCarrier) readable(fd uintptr) bool {
	pools := &c.s.srv.pools
	b := c.in
	if b == nil {
		b = pools.readBuf()
	}
	n, err := c.raw.TryRead(fd, b.data[b.n:])
	if n == 0 && err == nil {
		if c.in == nil {
			pools.putReadBuf(b)
			return c.handOver()
		}
		return false
	}
	b.n += n
	b.err = err
	c.in = b
	return true
}
