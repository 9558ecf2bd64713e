//go:build linux || darwin

package unsent

import "syscall"

func limit(conn syscall.RawConn) {
	_ = conn.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, notSentLowat, most)
	})
}
