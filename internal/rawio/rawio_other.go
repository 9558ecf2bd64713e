//go:build !unix

package rawio

const supported = false

func (w *Writer) write(uintptr) bool { return true }
