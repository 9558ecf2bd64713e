// Package memconn has connections in memory whose far end is passive: it is an object that is called with
// what the near end writes, and that feeds what the near end reads. So a process can have many more
// connections than files, and none of them costs a second goroutine.
package memconn

import (
	"net"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
)

const (
	// mostFed bounds the bytes that wait to be read, as the kernel bounds what it receives.
	mostFed = 64 << 10
	// keptFed is up to what size the buffer of a connection is kept for what comes next.
	keptFed = 64
)

// Far is the far end of a connection.
type Far interface {
	// Receive is called with what the near end writes, in order, one call at a time, on the goroutine that
	// writes. It returns how many of the bytes it takes. If that is not all, the connection takes no
	// more until Resume. It must not block and must not keep p. It may call Feed, HangUp and Resume.
	Receive(p []byte) (n int)
	// Closed is called once, when the near end has closed at least its writing side; a Receive may be
	// under way. It must not block.
	Closed()
}

// Conn is a connection: a [net.Conn] for the near end, which [rawio.Of] knows, and Feed, HangUp and Resume for
// the far one. All methods are safe for concurrent use.
type Conn struct {
	far           Far
	reads, writes sync.Mutex // held by the one that reads, and by the one that writes

	mu      sync.Mutex
	changed sync.Cond // signalled when waiting may be over
	fed     []byte    // what waits to be read
	resumes int       // counts the calls of Resume
	full    bool      // the far end takes nothing until Resume
	hungUp  bool      // by the far end
	shut    bool      // the near end writes no more
	closed  bool      // by the near end
	// When a read and a write give up.
	readLimit, writeLimit limit
}

// New returns a connection to far.
func New(far Far) *Conn {
	c := &Conn{far: far}
	c.changed.L = &c.mu
	return c
}

// Feed makes p what the near end reads next, and wakes its reader. It keeps no reference to p. It reports
// false, and takes nothing, when the connection has ended or more than 64 KB would wait.
func (c *Conn) Feed(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.hungUp || len(c.fed)+len(p) > mostFed {
		return false
	}
	c.fed = append(c.fed, p...)
	c.changed.Broadcast()
	return true
}

// HangUp ends the connection from the far end: the near end reads what was fed, then the end of the
// stream, and its writes fail.
func (c *Conn) HangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hungUp = true
	c.changed.Broadcast()
}

// Resume lets the near end write again after a Receive that did not take all.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumes++
	c.full = false
	c.changed.Broadcast()
}

// RawConn returns the connection as [rawio.Conn], for [rawio.Of]. It has no descriptor: its Control fails.
func (c *Conn) RawConn() rawio.Conn { return (*raw)(c) }

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	r := (*raw)(c)
	failed := r.Read(func(uintptr) bool {
		n, err = r.TryRead(0, p)
		return n > 0 || err != nil
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (n int, err error) {
	r := (*raw)(c)
	failed := r.Write(func(uintptr) bool {
		var part int
		part, err = r.TryWrite(0, p[n:])
		n += part
		return n == len(p) || err != nil
	})
	if failed != nil {
		return n, failed
	}
	return n, err
}

// Close implements [net.Conn]. What was fed and not read is lost.
func (c *Conn) Close() error {
	c.mu.Lock()
	again, tell := c.closed, !c.shut
	c.closed, c.shut = true, true
	c.fed = nil
	c.changed.Broadcast()
	c.mu.Unlock()
	if tell {
		c.far.Closed()
	}
	if again {
		return net.ErrClosed
	}
	return nil
}

// CloseWrite ends what the far end receives.
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	tell := !c.shut
	c.shut = true
	c.changed.Broadcast()
	c.mu.Unlock()
	if tell {
		c.far.Closed()
	}
	return nil
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

// Network implements [net.Addr].
func (addr) Network() string { return "memory" }

// String implements [net.Addr].
func (addr) String() string { return "memory" }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	c.set(&c.readLimit, t)
	c.set(&c.writeLimit, t)
	return nil
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.set(&c.readLimit, t)
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.set(&c.writeLimit, t)
	return nil
}

// limit is a deadline.
type limit struct {
	timer  *time.Timer
	passed bool
}

func (c *Conn) set(l *limit, t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	wait := time.Until(t)
	l.passed = !t.IsZero() && wait <= 0
	if wait > 0 {
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() { c.expire(l, &timer) })
		l.timer = timer
	}
	c.changed.Broadcast()
}

// expire is the end of a deadline, unless another was set.
func (c *Conn) expire(l *limit, timer **time.Timer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.timer == *timer {
		l.passed = true
		c.changed.Broadcast()
	}
}
