//go:build !unix

package connlimit

func openFiles() int { return 0 }
