// Package upgrade serves opening handshakes of WebSockets before net/http sees their connections: that
// costs less than half as much. Whatever is no plain handshake, or is refused, goes to net/http untouched.
package upgrade

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener is a [net.Listener] for the Serve method of one [http.Server]. It looks at what comes first on
// each connection, without taking it. A request that is plainly the opening handshake of a WebSocket is
// given to the Handler of the server on a goroutine of the Listener. If the Handler takes the connection
// over, that was all. Otherwise its answer is dropped, and the connection goes to net/http, which reads the
// same request and calls the Handler for it again. So net/http writes all answers but those of a Handler
// that has taken the connection over.
//
// The server's ReadHeaderTimeout, BaseContext, ConnContext, ConnState and ErrorLog count here too. For a
// connection that goes to net/http in the end, ConnState hears of StateNew and StateActive twice,
// ConnContext is called twice, and a client may take a tenth longer than ReadHeaderTimeout.
type Listener struct {
	inner  net.Listener
	web    *http.Server
	serves func(*http.Request) bool
	base   context.Context

	others chan accepted // what Accept returns
	closed chan struct{}

	mu      sync.Mutex
	over    bool
	waiting map[net.Conn]struct{} // nothing has come yet, or it is being looked at
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen returns a listener that accepts connections from inner for web. The function serves says, of a
// request that is a plain handshake, whether it may be served here: its Handler may be called twice. Where
// the system cannot look ahead, Listen returns inner.
//
// Close ends the Listener, closes inner, and the connections on which nothing has come yet. The caller must
// call it, or have web do so.
func Listen(inner net.Listener, web *http.Server, serves func(*http.Request) bool) net.Listener {
	if !canPeek {
		return inner
	}
	base := context.Background()
	if web.BaseContext != nil {
		base = web.BaseContext(inner)
	}
	l := &Listener{
		inner:   inner,
		web:     web,
		serves:  serves,
		base:    context.WithValue(base, http.ServerContextKey, web),
		others:  make(chan accepted),
		closed:  make(chan struct{}),
		waiting: make(map[net.Conn]struct{}),
	}
	go l.run()
	return l
}

// Addr returns the address of the listener below.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Accept waits for the next connection that net/http has to serve. Its errors are those of the listener
// below, and [net.ErrClosed] after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.others:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener below and the connections that are being looked at. It does not wait for calls
// of the Handler, and neither does the server's Shutdown for those that the Listener made: a request that is
// refused then gets no answer. Close does not block, and returns the error of the listener below. Only the
// first call does anything.
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return nil
	}
	l.over = true
	close(l.closed)
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	err := l.inner.Close()
	for conn := range waiting {
		_ = conn.Close()
	}
	return err
}

// run accepts connections until Close.
func (l *Listener) run() {
	for {
		conn, err := l.inner.Accept()
		switch {
		case err != nil:
			if !l.pass(accepted{err: err}) {
				return
			}
		case l.enter(conn):
			go l.look(conn)
		default:
			_ = conn.Close()
			return
		}
	}
}

// pass hands something to Accept; false after Close.
func (l *Listener) pass(a accepted) bool {
	select {
	case l.others <- a:
		return true
	case <-l.closed:
		return false
	}
}

// enter notes a connection that will be looked at; false after Close.
func (l *Listener) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.waiting[conn] = struct{}{}
	return true
}

// leave ends what enter began; false when Close has closed the connection.
func (l *Listener) leave(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	delete(l.waiting, conn)
	return true
}
