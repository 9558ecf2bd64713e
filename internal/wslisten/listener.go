// Package wslisten has a listener that serves opening handshakes of WebSockets before net/http sees their
// connections, since that costs less. Whatever is no plain handshake, or is refused, goes to net/http untouched.
package wslisten

import (
	"context"
	"net"
	"net/http"
	"runtime"
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
	close  func() error // closes it and inner, once
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen returns a listener that accepts connections from inner for web. The function serves says, of a
// request that is a plain handshake, whether it may be served here: its Handler may be called twice. Where
// the system cannot look ahead, Listen returns inner.
//
// Close ends the Listener and closes inner. The caller must call it, or have web do so.
func Listen(inner net.Listener, web *http.Server, serves func(*http.Request) bool) net.Listener {
	if !canPeek {
		return inner
	}
	base := context.Background()
	if web.BaseContext != nil {
		base = web.BaseContext(inner)
	}
	l := &Listener{
		inner:  inner,
		web:    web,
		serves: serves,
		base:   context.WithValue(base, http.ServerContextKey, web),
		others: make(chan accepted),
		closed: make(chan struct{}),
	}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		return inner.Close()
	})
	// One goroutine would spend a twelfth of what a connection costs in all, and so be the limit of a
	// machine with many cores.
	for range runtime.GOMAXPROCS(0) {
		go l.run()
	}
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

// Close closes the listener below, whose error it returns at every call. It does not block. Connections that
// are being looked at then end within a second, or with the call of the Handler that is under way: neither Close
// nor the server's Shutdown waits for those, and a request that is refused then gets no answer.
func (l *Listener) Close() error { return l.close() }

// run accepts connections until Close, as others do at the same time.
func (l *Listener) run() {
	for {
		conn, err := l.inner.Accept()
		if err == nil {
			go l.look(conn)
		} else if !l.pass(accepted{err: err}) {
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
