//go:build !linux

package listen

import (
	"net"
	"syscall"
)

const handsOn = false

func configure(*net.ListenConfig) {}

func keepAlive(syscall.RawConn) error { return nil }
