package socketio

import "slices"

// leftovers are a connection's sockets that have ended while a goroutine of
// theirs still runs the application's code: a middleware that has not noticed,
// handlers of queued messages. A client that joins and leaves in a loop would
// get one goroutine each time, so a new socket waits its turn while one of its
// namespace is undecided, or while too many are at work. Guarded by conn.mu.
type leftovers struct {
	working []leftover
	waiting []*Socket // each the only one of its namespace
}

type leftover struct {
	socket    *Socket
	undecided bool // its middleware runs
}

// maxLeftovers is how many may be at work before new sockets wait.
const maxLeftovers = 8

func (l *leftovers) admit(n *Namespace) bool {
	return len(l.working) < maxLeftovers && !slices.ContainsFunc(l.working, func(o leftover) bool {
		return o.undecided && o.socket.ns == n
	})
}

// begin starts a new socket, or lets it wait.
func (c *conn) begin(s *Socket) {
	c.mu.Lock()
	wait := c.left != nil && !c.left.admit(s.ns)
	if wait {
		c.left.waiting = append(c.left.waiting, s)
	}
	c.mu.Unlock()
	if !wait {
		s.start()
	}
}

// leave notes the end of a socket that has a goroutine or is undecided. The
// caller holds s.mu, so that the goroutine cannot end unseen.
func (c *conn) leave(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.running:
		if c.left == nil {
			c.left = new(leftovers)
		}
		c.left.working = append(c.left.working, leftover{s, !s.announced})
	case c.left != nil:
		c.left.waiting = slices.DeleteFunc(c.left.waiting, func(o *Socket) bool { return o == s })
	}
}

// release notes the end of the goroutine of a socket that has ended, and starts
// what waited for that.
func (c *conn) release(s *Socket) {
	for _, next := range c.released(s) {
		next.start()
	}
}

func (c *conn) released(s *Socket) (next []*Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == nil {
		return nil
	}
	c.left.working = slices.DeleteFunc(c.left.working, func(o leftover) bool { return o.socket == s })
	c.left.waiting = slices.DeleteFunc(c.left.waiting, func(o *Socket) bool {
		ready := c.left.admit(o.ns)
		if ready {
			next = append(next, o)
		}
		return ready
	})
	if len(c.left.working) == 0 && len(c.left.waiting) == 0 {
		c.left = nil
	}
	return next
}
