//go:build !unix

package wslisten

const canPeek = false

func peek(uintptr, []byte) (n int, ready bool) { return 0, true }
