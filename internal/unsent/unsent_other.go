//go:build !linux && !darwin

package unsent

import "syscall"

func limit(syscall.RawConn) {}
