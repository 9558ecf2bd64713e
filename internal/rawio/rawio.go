// Package rawio reads and writes connections without waiting for them. On Linux no system call tells the
// scheduler that it may block, since it does not: the scheduler would wake its monitor thread each time,
// which costs a server that is mostly idle as much as the calls themselves.
package rawio

import (
	"net"
	"syscall"
)

// Conn is a connection whose reader holds nothing while it waits, and whose writer need not wait. Its methods
// are safe for concurrent use; one reader and one writer at a time have the connection, others wait for them.
type Conn interface {
	// Read calls a function until it returns true, and waits in between until there may be something to
	// read. Write does the same for writing. Both give the function a descriptor for TryRead and TryWrite,
	// which only it may call. The error says that the connection is closed or a deadline has passed.
	syscall.RawConn
	// TryRead reads once into p, which must not be empty, without waiting; 0 and no error mean that there
	// is nothing to read yet. At the end of the stream the error is io.EOF.
	TryRead(fd uintptr, p []byte) (n int, err error)
	// TryWrite writes once as much of p as the connection takes without waiting, which may be nothing. It
	// does not keep p.
	TryWrite(fd uintptr, p []byte) (n int, err error)
}

// Of returns the Conn below conn: its descriptor, or for a connection in memory what its method RawConn
// returns. It returns nil if that is not all there is to it, as with TLS, or if the system is not like Unix.
// Types are listed, since one that embeds a TCP connection may do more in its Read and Write; one that does
// not says so by its method UnwrapTCP or UnwrapConn.
func Of(conn net.Conn) Conn {
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
	case interface{ RawConn() Conn }:
		return conn.RawConn()
	}
	if sc == nil {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return ofDescriptor(raw)
}

// Writer tries to write. It can be used again and again without memory for each write, for any
// connection, by one goroutine at a time. The zero value is ready.
type Writer struct {
	ready func(fd uintptr) bool // the method value of write, made once
	conn  Conn
	data  []byte
	n     int
	err   error
}

// Try writes as much of p as the connection takes without waiting, which may be nothing. It waits only
// for another write of the same connection.
func (w *Writer) Try(conn Conn, p []byte) (n int, err error) {
	if w.ready == nil {
		w.ready = w.write
	}
	w.conn, w.data, w.n, w.err = conn, p, 0, nil
	err = conn.Write(w.ready)
	w.conn, w.data = nil, nil
	if err != nil {
		return 0, err
	}
	return w.n, w.err
}

// write writes once what the connection takes without waiting.
func (w *Writer) write(fd uintptr) bool {
	w.n, w.err = w.conn.TryWrite(fd, w.data)
	return true
}

// Reader reads, and waits for bytes. It can be used again and again without memory for each read, for any
// connection, by one goroutine at a time. The zero value is ready.
type Reader struct {
	ready func(fd uintptr) bool // the method value of read, made once
	conn  Conn
	data  []byte
	n     int
	err   error
}

// Read waits for bytes and reads them into p, which is not empty, as the connection's Read does.
func (r *Reader) Read(conn Conn, p []byte) (n int, err error) {
	if r.ready == nil {
		r.ready = r.read
	}
	r.conn, r.data, r.n, r.err = conn, p, 0, nil
	err = conn.Read(r.ready)
	r.conn, r.data = nil, nil
	if err != nil {
		return 0, err
	}
	return r.n, r.err
}

// read reads once; false waits for the connection.
func (r *Reader) read(fd uintptr) bool {
	r.n, r.err = r.conn.TryRead(fd, r.data)
	return r.n > 0 || r.err != nil
}
