// Package unsent bounds what the kernel takes for a connection before it can send it.
//
// By default Linux takes up to 4 MB, and takes more only when a third of that has left. To a server
// a client that reads 100 KB a second then seems to take nothing for 16 s, and what waits for it
// cannot be counted, folded or overtaken any more.
package unsent

import "syscall"

// most is how many bytes of a connection may wait in the kernel, those that are on their way apart.
const most = 256 << 10

// Limit bounds what the kernel holds back for a TCP connection, or for those that a TCP listener accepts
// if it hands its options on. For other sockets, and where the system has no such bound, it does nothing.
func Limit(conn syscall.RawConn) { limit(conn) }
