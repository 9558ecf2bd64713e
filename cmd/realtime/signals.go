package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// echoTime is for how long signals after the first one are taken for that one
// again: timeout(1), npm and shells that signal a process group as well as its
// leader send two at once, and nobody has asked for a stop without a drain.
const echoTime = time.Second

// signals tells of the first SIGINT or SIGTERM, and of the second one that comes
// echoTime or more after it.
type signals struct {
	first, second context.Context // done once it came
	raw           chan os.Signal
	done, ended   chan struct{}
}

func watchSignals() *signals {
	s := newSignals()
	signal.Notify(s.raw, os.Interrupt, syscall.SIGTERM)
	return s
}

func newSignals() *signals {
	s := &signals{raw: make(chan os.Signal, 2), done: make(chan struct{}), ended: make(chan struct{})}
	first, gotFirst := context.WithCancel(context.Background())
	second, gotSecond := context.WithCancel(context.Background())
	s.first, s.second = first, second
	go s.watch(gotFirst, gotSecond)
	return s
}

func (s *signals) watch(gotFirst, gotSecond context.CancelFunc) {
	defer close(s.ended)
	var first time.Time
	for {
		select {
		case <-s.raw:
		case <-s.done:
			return
		}
		switch {
		case first.IsZero():
			first = time.Now()
			gotFirst()
		case time.Since(first) >= echoTime:
			gotSecond()
			return
		}
	}
}

// stop ends the watching. Signals stay caught: one that comes on the way out of
// the process must not change its exit code.
func (s *signals) stop() {
	close(s.done)
	<-s.ended
}
