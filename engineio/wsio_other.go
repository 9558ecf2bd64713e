//go:build !unix

package engineio

import (
	"net"
	"syscall"
)

// rawConn returns nil: every connection is read and written the plain way.
func rawConn(net.Conn) syscall.RawConn { return nil }

func (c *wsCarrier) readable(uintptr) bool { return true }

func (w *writer) writable(uintptr) bool { return true }
