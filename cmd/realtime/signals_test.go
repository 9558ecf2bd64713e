//go:build unix

package main

import (
	"os/signal"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What comes within a second of the first signal is that signal again, however
// often it comes; a later one is the second.
func TestSignalsAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSignals()
		defer s.stop()
		send := func() {
			s.raw <- syscall.SIGTERM
			synctest.Wait()
		}
		send()
		if s.first.Err() == nil {
			t.Error("the first signal was not seen")
		}
		for range 10 {
			send()
		}
		time.Sleep(echoTime - time.Nanosecond)
		send()
		if s.second.Err() != nil {
			t.Error("one signal was taken for two")
		}
		time.Sleep(time.Nanosecond)
		send()
		if s.second.Err() == nil {
			t.Error("the second signal was not seen")
		}
	})
}

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
