// Package connlimit bounds the connections of an HTTP server, so that it still answers when it can take
// no more: a health check must not fail, and get a server killed, because it is full.
package connlimit

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
)

const (
	// minOver and maxOver bound how many connections beyond the limit are open at a time, to be told
	// so: the oldest of them makes room for the next. The more there are, the longer each has to send its request.
	minOver = 8
	maxOver = 256
	// spares is how many descriptors are kept to be given up when none is left: then a few connections
	// can be accepted all the same.
	spares = 4
)

// Limit bounds the open connections of all its listeners together, hijacked ones included. It is safe for
// concurrent use.
type Limit struct {
	max     int
	maxOver int
	warn    func()

	mu    sync.Mutex
	open  int     // connections, those in over included
	over  []*Conn // beyond the limit, the oldest first
	fresh list    // no request has come yet
	idle  list    // between two requests, the longest first
	spare []*os.File
	short bool // a spare descriptor was given up
}

// New returns a limit of max connections, 0 for none. It calls warn, which must not block, for each
// connection that is refused.
func New(max int, warn func()) *Limit {
	l := &Limit{max: max, maxOver: maxOverFor(openFiles(), max), warn: warn}
	l.fresh.init()
	l.idle.init()
	l.refill()
	return l
}

// Listen returns a listener of TCP that counts what it accepts.
func (l *Limit) Listen(inner net.Listener) net.Listener { return &listener{inner, l} }

// Serve sets the hooks of a server that serves a listener of the limit. Its handler has to ask [Refused].
func (l *Limit) Serve(s *http.Server) {
	s.ConnState = l.connState
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if c, ok := c.(*Conn); ok && c.over {
			return context.WithValue(ctx, overKey{}, true)
		}
		return ctx
	}
	s.RegisterOnShutdown(l.closeFresh)
}

// Close gives up what the limit keeps for itself, not its connections.
func (l *Limit) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.spare {
		_ = f.Close()
	}
	l.spare, l.short = nil, false
}

type overKey struct{}

// Refused reports whether a request came on a connection beyond the limit. It should be answered with
// 503, if it is not about the server's health, and its connection be closed.
func Refused(r *http.Request) bool { return r.Context().Value(overKey{}) != nil }

type listener struct {
	net.Listener
	limit *Limit
}

// Accept implements net.Listener. Where no descriptor is left it makes room.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.limit.admit(c), nil
		}
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) || !l.limit.makeRoom() {
			return nil, err
		}
	}
}

// Conn is a connection that is counted until it is closed.
type Conn struct {
	*net.TCPConn
	limit *Limit
	over  bool

	in         *list // fresh or idle; under the limit's lock, like what follows
	prev, next *Conn
	closed     bool
}

// UnwrapTCP returns the connection itself: reading and writing it are not changed.
func (c *Conn) UnwrapTCP() *net.TCPConn { return c.TCPConn }

// Close implements net.Conn.
func (c *Conn) Close() error {
	err := c.TCPConn.Close()
	c.limit.gone(c)
	return err
}

func (l *Limit) admit(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	c := &Conn{TCPConn: tcp, limit: l}
	l.mu.Lock()
	l.open++
	var drop *Conn
	full := l.max > 0 && l.open-len(l.over) > l.max
	if full {
		drop = l.idle.first()
	}
	if c.over = full && drop == nil || l.short; c.over {
		if len(l.over) >= l.maxOver {
			drop = l.over[0]
		}
		l.over = append(l.over, c)
	}
	l.mu.Unlock()
	if drop != nil {
		_ = drop.Close()
	}
	if c.over {
		l.warn()
	}
	return c
}

// makeRoom frees a descriptor: that of a connection that is not used, a spare one, or that of a
// connection which is to be refused.
func (l *Limit) makeRoom() bool {
	l.mu.Lock()
	drop := l.idle.first()
	switch {
	case drop != nil:
	case len(l.spare) > 0:
		last := len(l.spare) - 1
		_ = l.spare[last].Close()
		l.spare, l.short = l.spare[:last], true
		l.mu.Unlock()
		return true
	case len(l.over) > 0:
		drop = l.over[0]
	}
	l.mu.Unlock()
	if drop == nil {
		return false
	}
	_ = drop.Close()
	return true
}

// gone uncounts a connection that was closed.
func (l *Limit) gone(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.unlink()
	l.open--
	if c.over {
		for i, o := range l.over {
			if o == c {
				l.over = append(l.over[:i], l.over[i+1:]...)
				break
			}
		}
	}
	if l.short {
		l.refill()
	}
}

// refill opens spare descriptors as far as there are any. Called with the lock.
func (l *Limit) refill() {
	for len(l.spare) < spares {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		l.spare = append(l.spare, f)
	}
	l.short = false
}

// connState is the hook of an HTTP server.
func (l *Limit) connState(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*Conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.unlink()
	switch {
	case c.closed:
	case state == http.StateNew:
		l.fresh.push(c)
	case state == http.StateIdle:
		l.idle.push(c)
	}
}

// closeFresh closes the connections on which no request has come: Shutdown would wait for them for
// seconds, and browsers open some in advance.
func (l *Limit) closeFresh() {
	for {
		l.mu.Lock()
		c := l.fresh.first()
		l.mu.Unlock()
		if c == nil {
			return
		}
		_ = c.Close()
	}
}
