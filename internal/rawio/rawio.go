// Package rawio reads and writes connections on their descriptors: a write does not wait for the
// connection, and on Linux no system call tells the scheduler that it may block, since it does not. The
// scheduler would wake its monitor thread each time, which costs a server that is mostly idle as much as
// the calls themselves.
package rawio

import (
	"io"
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

// write writes once.
func (w *Writer) write(fd uintptr) bool {
	if w.n, w.err = write(fd, w.data); w.err == syscall.EAGAIN {
		w.n, w.err = 0, nil
	}
	return true
}

// Reader reads. It can be used again and again without memory for each read, for any connection, by
// one goroutine at a time. The zero value is ready.
type Reader struct {
	ready func(fd uintptr) bool // the method value of read, made once
	data  []byte
	n     int
	err   error
}

// Read waits for bytes and reads them into p, which is not empty, as the connection's Read does.
func (r *Reader) Read(raw syscall.RawConn, p []byte) (n int, err error) {
	if r.ready == nil {
		r.ready = r.read
	}
	r.data, r.n, r.err = p, 0, nil
	err = raw.Read(r.ready)
	r.data = nil
	if err != nil {
		return 0, err
	}
	return r.n, r.err
}

// read reads once; false waits for the descriptor.
func (r *Reader) read(fd uintptr) bool {
	r.n, r.err = Read(fd, r.data)
	return r.err != syscall.EAGAIN
}

// Read reads from a descriptor that does not block into p, which is not empty. Its errors are
// syscall.EAGAIN when there is nothing yet, io.EOF at the end, and others of the system.
func Read(fd uintptr, p []byte) (n int, err error) {
	n, err = read(fd, p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}
