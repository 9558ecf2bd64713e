//go:build !unix

package engineio

// readable is not called: every connection is read the plain way.
func (c *wsCarrier) readable(uintptr) bool { return true }
