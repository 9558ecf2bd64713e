package engineio

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
)

// plainWriteSize is the most that goes into one write of a connection without a descriptor, such as
// TLS, where a write that ran out of time cannot be continued: this much must leave within
// StallTimeout.
const plainWriteSize = 16 << 10

// writer gathers frames and writes them. It is pooled.
type writer struct {
	rawio.Writer
	buf []byte // empty, with room
}

// flush writes what is queued, unless another goroutine is writing. What the connection does not
// take at once is left to a goroutine that ends when the queue is empty.
func (c *wsCarrier) flush() {
	s := c.s
	w := s.srv.pools.writer()
	p, more := s.beginWriting(w.buf)
	if p == nil {
		s.srv.pools.putWriter(w)
		return
	}
	for p != nil {
		n, err := 0, error(nil)
		if c.raw != nil {
			n, err = w.Try(c.raw, p)
		}
		if err != nil {
			s.abort(ReasonTransportClose)
			break
		}
		if n < len(p) {
			s.wrote(n)
			rest := p[n:]
			s.srv.hand(func() { c.drain(w, rest) })
			return
		}
		p, more = c.goOn(w, n, more)
	}
	s.srv.pools.putWriter(w)
	s.srv.done()
}

// goOn notes that n bytes have left, and returns the next ones if there were more behind them. If not,
// it gives the writer's role back: what was queued meanwhile waits for the next turn of the flush loop.
func (c *wsCarrier) goOn(w *writer, n int, more bool) (p []byte, left bool) {
	s := c.s
	s.mu.Lock()
	s.left(n)
	if more {
		if p, more = s.next(w.buf); p != nil {
			s.mu.Unlock()
			return p, more
		}
	}
	s.writing = false
	end := c.ending()
	if s.unlockDirty() {
		s.flusher.add(s)
	}
	c.end(end)
	return nil, false
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
	for p := rest; p != nil || !c.endDrain(); {
		if len(p) > 0 {
			if err := c.writeAll(p); err != nil {
				s.abort(stallReason(err))
				return
			}
		}
		s.mu.Lock()
		p, _ = s.next(w.buf)
		s.mu.Unlock()
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
