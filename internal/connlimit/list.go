package connlimit

// list is a list of connections that needs no memory of its own.
type list struct{ root Conn }

func (l *list) init() { l.root.prev, l.root.next = &l.root, &l.root }

// first returns the connection that was put in first, nil if there is none.
func (l *list) first() *Conn {
	if c := l.root.next; c != &l.root {
		return c
	}
	return nil
}

// push puts in a connection that is in no list.
func (l *list) push(c *Conn) {
	c.in, c.prev, c.next = l, l.root.prev, &l.root
	c.prev.next, c.next.prev = c, c
}

// unlink takes a connection out of the list that it is in, if it is.
func (c *Conn) unlink() {
	if c.in == nil {
		return
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.in, c.prev, c.next = nil, nil, nil
}
