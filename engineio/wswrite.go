package engineio

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// plainWriteSize is the most that goes into one write of a connection without a descriptor, such as
// TLS, where a write that ran out of time cannot be continued: this much must leave within
// StallTimeout.
const plainWriteSize = 16 << 10

// writer gathers frames and writes them. It is pooled.
type writer struct {
	buf   []byte                // empty, with room
	ready func(fd uintptr) bool // the method value of writable, made once
	data  []byte                // what writable shall write
	n     int                   // what it wrote
	err   error
}

// try writes p as far as the connection takes it without waiting.
func (w *writer) try(raw syscall.RawConn, p []byte) (n int, err error) {
	w.data, w.n, w.err = p, 0, nil
	if err := raw.Write(w.ready); err != nil {
		return 0, err
	}
	return w.n, w.err
}

// flush writes what is queued, unless another goroutine is writing. What the connection does not
// take at once is left to a goroutine that ends when the queue is empty.
func (c *wsCarrier) flush() {
	q := c.s.takeQueue()
	if q == nil {
		return
	}
	w := c.s.srv.pools.writer()
	if c.raw == nil {
		c.s.putBack(q)
		c.s.srv.hand(func() { c.drain(w, nil) })
		return
	}
	size := 0
	for p, mark := c.take(w, q); p != nil || mark != nil; p, mark = c.take(w, q) {
		if mark != nil {
			c.passed(size, mark)
			size = 0
			continue
		}
		n, err := w.try(c.raw, p)
		if err != nil {
			c.s.srv.pools.putWriter(w)
			c.s.abort(ReasonTransportClose)
			c.s.srv.done()
			return
		}
		if n < len(p) {
			c.s.wrote(size + n)
			c.s.putBack(q)
			rest := p[n:]
			c.s.srv.hand(func() { c.drain(w, rest) })
			return
		}
		size += n
	}
	c.s.srv.pools.putWriter(w)
	c.s.srv.pools.putQueue(q)
	c.endWriting(size)
	c.s.srv.done()
}

// take takes the next bytes of a queue, or the mark at which it stands.
func (c *wsCarrier) take(w *writer, q *frameQueue) (p []byte, mark *Frame) {
	if p = q.chunk(w.buf); p != nil {
		return p, nil
	}
	return nil, q.mark()
}

// passed notes that so many bytes, and then a mark, have left.
func (c *wsCarrier) passed(size int, mark *Frame) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left(size)
	s.pass(mark)
}

// endWriting gives the writer's role back after a flush of size bytes. What was queued
// meanwhile waits for the next turn of the flusher.
func (c *wsCarrier) endWriting(size int) {
	s := c.s
	s.mu.Lock()
	s.writing = false
	s.left(size)
	end := c.ending()
	s.unlock()
	c.end(end)
}

// ending is what is left to do when everything is written.
type ending uint8

const (
	goOn      ending = iota
	closeSide        // the client shall see the end of what we send
	cutOff
)

// ending tells what to do now that a write is done. Called with the session's lock.
func (c *wsCarrier) ending() ending {
	switch {
	case c.s.isOpen() || c.s.out != nil:
		return goOn
	case c.peerClosed:
		return cutOff
	case c.garbled:
		return closeSide
	}
	return goOn
}

func (c *wsCarrier) end(e ending) {
	switch e {
	case closeSide:
		closeWrite(c.conn)
	case cutOff:
		c.s.abort(ReasonTransportClose)
	}
}

// closeWrite lets the client see the end of what we send, where conn can do that.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// drain writes rest, then what is queued until nothing is, waiting for the connection. It takes no
// more at a time than it writes at once, so that the rest can be folded while it waits.
func (c *wsCarrier) drain(w *writer, rest []byte) {
	s := c.s
	defer s.srv.pools.putWriter(w)
	for p := rest; ; p = s.nextChunk(w.buf) {
		if len(p) > 0 {
			if err := c.writeAll(p); err != nil {
				s.abort(stallReason(err))
				return
			}
		} else if p == nil && c.endDrain() {
			return
		}
	}
}

// endDrain gives the writer's role back; false when something was queued meanwhile.
func (c *wsCarrier) endDrain() bool {
	s := c.s
	c.conn.SetWriteDeadline(time.Time{}) // before another may write
	s.mu.Lock()
	if s.out != nil && !s.out.held {
		s.mu.Unlock()
		return false
	}
	s.writing = false
	end := c.ending()
	s.mu.Unlock()
	c.end(end)
	return true
}

// writeAll writes p, and fails when nothing of it leaves for StallTimeout.
func (c *wsCarrier) writeAll(p []byte) error {
	for len(p) > 0 {
		part := p
		if c.raw == nil {
			part = p[:min(len(p), plainWriteSize)]
		}
		c.conn.SetWriteDeadline(time.Now().Add(c.s.srv.cfg.StallTimeout))
		n, err := c.conn.Write(part)
		c.s.wrote(n)
		p = p[n:]
		if err != nil && (n == 0 || c.raw == nil || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}

func stallReason(err error) Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ReasonSlowConsumer
	}
	return ReasonTransportClose
}
