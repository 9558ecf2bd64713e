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
	done          chan struct{}
}

func watchSignals() *signals {
	s := &signals{raw: make(chan os.Signal, 2), done: make(chan struct{})}
	first, gotFirst := context.WithCancel(context.Background())
	second, gotSecond := context.WithCancel(context.Background())
	s.first, s.second = first, second
	signal.Notify(s.raw, os.Interrupt, syscall.SIGTERM)
	go s.watch(gotFirst, gotSecond)
	return s
}

func (s *signals) watch(got ...context.CancelFunc) {
	for _, cancel := range got {
		select {
		case <-s.raw:
			cancel()
		case <-s.done:
			return
		}
	}
}

func (s *signals) stop() {
	signal.Stop(s.raw)
	close(s.done)
}
