//go:build !unix

package rawio

import "syscall"

// ofDescriptor returns nil: the descriptors of this system cannot be read and written like that.
func ofDescriptor(syscall.RawConn) Conn { return nil }
