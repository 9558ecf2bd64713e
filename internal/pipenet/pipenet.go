// Package pipenet is a network in memory, for tests in fake time: its connections
// have no buffers, and nothing in them waits outside of the test's bubble.
package pipenet

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener that is reached by Dial. Its methods are safe for concurrent use.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Listen returns a listener. It must be made in the bubble that uses it.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Dial connects to the listener, whatever the network and address. It blocks until the
// connection is accepted, until ctx ends, or until the listener is closed: then with net.ErrClosed.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	if err := l.Connect(ctx, server); err != nil {
		return nil, err
	}
	return client, nil
}

// Connect has Accept return conn, which was made elsewhere. It blocks as Dial does.
func (l *Listener) Connect(ctx context.Context, conn net.Conn) error {
	select {
	case l.conns <- conn:
		return nil
	case <-l.done:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
