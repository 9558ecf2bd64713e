//go:build unix

package engineio

import (
	"io"
	"net"
	"syscall"
)

// rawConn returns access to the descriptor of conn, nil if that is not all there is to it. Types
// are listed, since one that embeds a TCP connection may do more in its Read and Write; one that does
// not says so by its method UnwrapTCP.
func rawConn(conn net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch conn := conn.(type) {
	case *net.TCPConn:
		sc = conn
	case *net.UnixConn:
		sc = conn
	case interface{ UnwrapTCP() *net.TCPConn }:
		sc = conn.UnwrapTCP()
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readable tries to read. False, which waits for the descriptor, it returns without holding a
// buffer, unless the start of a frame is in it. True without a buffer asks for another goroutine.
func (c *wsCarrier) readable(fd uintptr) bool {
	pools := &c.s.srv.pools
	b := c.in
	if b == nil {
		b = pools.readBuf()
	}
	n, err := syscall.Read(int(fd), b.data[b.n:])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), b.data[b.n:])
	}
	switch {
	case err == syscall.EAGAIN:
		if c.in == nil {
			pools.putReadBuf(b)
			return c.handOver()
		}
		return false
	case err != nil:
		b.err = err
	case n == 0:
		b.err = io.EOF
	default:
		b.n += n
	}
	c.in = b
	return true
}

// writable writes once what the connection takes without waiting.
func (w *writer) writable(fd uintptr) bool {
	n, err := syscall.Write(int(fd), w.data)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), w.data)
	}
	switch {
	case err == syscall.EAGAIN:
		w.n = 0
	case err != nil:
		w.n, w.err = 0, err
	default:
		w.n = n
	}
	return true
}
