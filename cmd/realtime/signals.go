package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals tells of the first and the second SIGINT or SIGTERM.
type signals struct {
	first, second context.Context // done once it came
	raw           chan os.Signal
	done, ended   chan struct{}
}

func watchSignals() *signals {
	s := &signals{raw: make(chan os.Signal, 2), done: make(chan struct{}), ended: make(chan struct{})}
	first, gotFirst := context.WithCancel(context.Background())
	second, gotSecond := context.WithCancel(context.Background())
	s.first, s.second = first, second
	signal.Notify(s.raw, os.Interrupt, syscall.SIGTERM)
	go s.watch(gotFirst, gotSecond)
	return s
}

func (s *signals) watch(got ...context.CancelFunc) {
	defer close(s.ended)
	for _, cancel := range got {
		select {
		case <-s.raw:
			cancel()
		case <-s.done:
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
