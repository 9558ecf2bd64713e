//go:build unix

package main

import (
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// A signal that comes when all is done must not kill the process.
func TestSignalOnTheWayOut(t *testing.T) {
	terminate := func() {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	s := watchSignals()
	t.Cleanup(func() { signal.Stop(s.raw) })
	terminate()
	<-s.first.Done()
	s.stop()
	terminate()
	select {
	case <-s.raw:
	case <-time.After(patience):
		t.Error("the signal was not caught")
	}
}
