package respconn

import (
	"fmt"
	"time"
)

// source is the connection as the reader reads it.
type source Conn

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	(*Conn)(s).uncork()
	s.idle.Store(time.Now().UnixNano())
	n, err := 0, error(nil)
	if s.raw != nil {
		n, err = s.reads.Read(s.raw, p)
	} else {
		n, err = s.conn.Read(p)
	}
	s.idle.Store(0)
	if s.reading && n > 0 {
		s.corked = true
		s.handler.Cork()
	}
	return n, err
}

func (c *Conn) uncork() {
	if c.corked {
		c.corked = false
		c.handler.Uncork()
	}
}

// read is the goroutine that reads.
func (c *Conn) read() {
	c.reading = true
	err := c.readAll()
	c.uncork()
	c.fail(fmt.Errorf("read from Redis: %w", err))
	c.mu.Lock()
	waiting := c.waiting[c.first:]
	c.waiting, c.first = nil, 0
	err = c.err
	c.mu.Unlock()
	for i := range waiting { // nothing is added any more
		waiting[i].answered("", err)
	}
}

// answered tells who waits.
func (p *pending) answered(text string, err error) {
	switch {
	case p.done != nil:
		p.done.Answered(text, err)
	case p.order != nil && err != nil:
		p.order.refused(err)
	}
}

// readAll reads until the connection ends or is not understood.
func (c *Conn) readAll() error {
	for {
		h, err := c.r.next()
		if err != nil {
			return err
		}
		if h.kind == '>' || h.kind == '*' && !c.resp3 {
			err = c.push(h)
		} else {
			err = c.answer(h)
		}
		if err != nil {
			return unexpected(err)
		}
	}
}

var errUnasked = fmt.Errorf("an answer that nobody waits for: %w", errProtocol)

// answer reads the answer to the command that waits longest.
func (c *Conn) answer(h head) error {
	p, ok := c.pop()
	if !ok {
		return errUnasked
	}
	text, err := c.r.text(h)
	refused := h.kind == '-' || h.kind == '!'
	switch {
	case err != nil:
		p.answered("", err)
		return err
	case refused:
		p.answered("", Error(text))
	case p.order != nil:
		return errUnasked
	default:
		p.answered(string(text), nil)
	}
	return nil
}

// pop takes the command out that waits longest.
func (c *Conn) pop() (p pending, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == len(c.waiting) {
		return p, false
	}
	p = c.waiting[c.first]
	c.waiting[c.first] = pending{}
	c.first++
	if c.first == len(c.waiting) {
		c.waiting, c.first = c.waiting[:0], 0
		c.checkDrained()
	} else if c.first > 1024 && c.first > len(c.waiting)/2 { // the queue never runs empty
		n := copy(c.waiting, c.waiting[c.first:])
		clear(c.waiting[n:])
		c.waiting, c.first = c.waiting[:n], 0
	}
	return p, true
}

// The kinds of pushes.
const (
	other = iota
	message
	subscribed
	unsubscribed
	pong
)

func kindOf(text []byte) int {
	switch string(text) {
	case "message", "smessage":
		return message
	case "subscribe", "ssubscribe":
		return subscribed
	case "unsubscribe", "sunsubscribe":
		return unsubscribed
	case "pong":
		return pong
	}
	return other
}

// push reads what came without being an answer.
func (c *Conn) push(h head) error {
	if h.n < 1 {
		return errProtocol
	}
	first, err := c.element()
	if err != nil {
		return err
	}
	kind := kindOf(first)
	if kind == pong { // of RESP2
		c.pop()
	}
	if h.n != 3 || kind == other || kind == pong {
		return c.rest(h.n - 1)
	}
	channel, err := c.element()
	if err != nil {
		return err
	}
	c.channel = append(c.channel[:0], channel...)
	last, err := c.element()
	if err != nil {
		return err
	}
	switch kind {
	case message:
		c.handler.Message(c.channel, last)
	case subscribed:
		c.confirm(c.channel, true)
		c.handler.Subscribed(string(c.channel))
	case unsubscribed:
		c.confirm(c.channel, false)
		c.handler.Unsubscribed(string(c.channel))
	}
	return nil
}

// element reads a text within a push.
func (c *Conn) element() ([]byte, error) {
	h, err := c.r.next()
	if err != nil {
		return nil, err
	}
	return c.r.text(h)
}

// rest reads elements that do not matter.
func (c *Conn) rest(n int) error {
	for range n {
		h, err := c.r.next()
		if err == nil {
			err = c.r.skip(h, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// confirm counts a channel for the order that waits longest, unless Redis says it unasked.
func (c *Conn) confirm(channel []byte, subscribe bool) {
	c.mu.Lock()
	done := false
	if c.first < len(c.waiting) {
		if o := c.waiting[c.first].order; o != nil && o.subscribe == subscribe && o.channels[o.confirmed] == string(channel) {
			o.confirmed++
			done = o.confirmed == len(o.channels)
		}
	}
	c.mu.Unlock()
	if done {
		c.pop()
	}
}
