// Package rawio writes to a connection without waiting for it.
package rawio

import (
	"net"
	"syscall"
)

// Of returns access to the descriptor of conn, nil if that is not all there is to it, as with TLS, or
// if the system is not like Unix. Types are listed, since one that embeds a TCP connection may do more
// in its Read and Write; one that does not says so by its method UnwrapTCP or UnwrapConn.
func Of(conn net.Conn) syscall.RawConn {
	if c, ok := conn.(interface{ UnwrapConn() net.Conn }); ok {
		conn = c.UnwrapConn()
	}
	var sc syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		sc = conn
	case *net.UnixConn:
		sc = conn
	case interface{ UnwrapTCP() *net.TCPConn }:
		sc = conn.UnwrapTCP()
	}
	if sc == nil || !supported {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Writer tries to write. It can be used again and again without memory for each write, for any
// connection, by one goroutine at a time. The zero value is ready.
type Writer struct {
	ready func(fd uintptr) bool // the method value of write, made once
	data  []byte
	n     int
	err   error
}

// Try writes as much of p as the connection takes without waiting, which may be nothing. It waits only
// for another write of the same connection.
func (w *Writer) Try(raw syscall.RawConn, p []byte) (n int, err error) {
	if w.ready == nil {
		w.ready = w.write
	}
	w.data, w.n, w.err = p, 0, nil
	err = raw.Write(w.ready)
	w.data = nil
	if err != nil {
		return 0, err
	}
	return w.n, w.err
}
