package respconn

import (
	"fmt"
	"time"
)

// post queues a command, and writes it unless others do.
func (c *Conn) post(cmd *Command, p pending) error {
	p.at = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, c.err)
	}
	if c.draining {
		return ErrClosed
	}
	if len(c.out) > maxOut {
		return ErrFull
	}
	if c.out == nil {
		c.out, c.spare = c.spare, nil
	}
	c.out = cmd.appendTo(c.out)
	c.waiting = append(c.waiting, p)
	switch {
	case c.writing: // whoever writes sees to it
	case c.raw != nil && len(c.out) < readSize && c.few(p.at):
		c.try()
	default:
		c.wakeWriter()
	}
	return nil
}

// few counts a command and reports whether so few are sent that gathering them would save nothing. The
// lock is held.
func (c *Conn) few(now time.Time) bool {
	at := now.UnixNano() / int64(window)
	switch {
	case at == c.at+1:
		c.before, c.now = c.now, 0
	case at > c.at:
		c.before, c.now = 0, 0
	}
	c.at = max(c.at, at)
	c.now++
	return c.before+c.now <= directSends
}

func (c *Conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take begins a write of all that waits. The lock is held.
func (c *Conn) take() []byte {
	p := c.out
	c.writing, c.out, c.spare = true, c.spare, nil
	return p
}

// wrote ends a write of p, of which n bytes have left. The lock is held.
func (c *Conn) wrote(p []byte, n int) {
	c.writing = false
	switch {
	case n < len(p):
		rest := p[:copy(p, p[n:])]
		c.out = append(rest, c.out...)
	case cap(p) <= keptOut:
		c.spare = p[:0]
	}
}

// try writes what the connection takes without waiting, and leaves the rest to the writing goroutine.
// The lock is held, but not during the write.
func (c *Conn) try() {
	p := c.take()
	c.mu.Unlock()
	n, err := c.writer.Try(c.raw, p)
	if err != nil {
		c.fail(fmt.Errorf("write to Redis: %w", err))
	}
	c.mu.Lock()
	c.wrote(p, n)
	if len(c.out) > 0 {
		c.wakeWriter()
	}
}

// write is the goroutine that writes what others do not, and checks the connection.
func (c *Conn) write() {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.wake:
		case now := <-ticker.C:
			c.check(now)
		case <-c.quit:
			return
		}
		c.writeAll()
	}
}

// writeAll writes until nothing waits.
func (c *Conn) writeAll() {
	for {
		c.mu.Lock()
		if c.writing || len(c.out) == 0 || c.err != nil {
			c.mu.Unlock()
			return
		}
		p := c.take()
		c.mu.Unlock()
		n, err := c.writeOut(p)
		if err != nil {
			c.fail(fmt.Errorf("write to Redis: %w", err))
		}
		c.mu.Lock()
		c.wrote(p, n)
		c.mu.Unlock()
	}
}

// writeOut writes p, and waits for the connection to take it.
func (c *Conn) writeOut(p []byte) (n int, err error) {
	if c.raw != nil {
		if n, err = c.writer.Try(c.raw, p); err != nil || n == len(p) {
			return n, err
		}
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return n, err
	}
	more, err := c.conn.Write(p[n:])
	return n + more, err
}

// check ends a connection whose server does not answer, and asks one that is idle.
func (c *Conn) check(now time.Time) {
	c.mu.Lock()
	idle := c.first == len(c.waiting)
	late := !idle && now.Sub(c.waiting[c.first].at) > c.stall
	c.mu.Unlock()
	since := c.idle.Load()
	switch {
	case late && since != 0 && now.Sub(time.Unix(0, since)) > c.stall:
		c.fail(errStalled)
	case idle:
		_ = c.post(&Command{Words: []string{"PING"}}, pending{}) // if it has ended, that was said
	}
}
