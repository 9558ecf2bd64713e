package listen

import (
	"errors"
	"net"
	"syscall"
)

// handsOn: connections have the options of the listener that accepted them.
const handsOn = true

// Go's defaults.
const (
	keepIdle     = 15 // s
	keepInterval = 15 // s
	keepCount    = 9
)

// configure lets the listener's options count. One of Multipath TCP, as Go opens them by default, would
// not hand them on.
func configure(config *net.ListenConfig) {
	config.SetMultipathTCP(false)
	config.KeepAlive = -1 // not by calls for each connection
}

func keepAlive(conn syscall.RawConn) (err error) {
	failed := conn.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepIdle),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepInterval),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepCount),
		)
	})
	return errors.Join(failed, err)
}
