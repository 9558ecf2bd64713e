package socketio

import (
	"context"
	"sync/atomic"
)

// workers counts the goroutines of the server, so that Close can wait for them.
// It is a WaitGroup whose wait obeys a context.
type workers struct {
	n       *atomic.Int64
	waiting *atomic.Bool
	idle    chan struct{}
}

func newWorkers() workers {
	return workers{n: new(atomic.Int64), waiting: new(atomic.Bool), idle: make(chan struct{}, 1)}
}

func (w workers) start(f func()) {
	w.n.Add(1)
	go func() {
		defer w.done()
		f()
	}()
}

func (w workers) done() {
	if w.n.Add(-1) == 0 && w.waiting.Load() {
		select {
		case w.idle <- struct{}{}:
		default:
		}
	}
}

func (w workers) wait(ctx context.Context) error {
	w.waiting.Store(true)
	for w.n.Load() > 0 {
		select {
		case <-w.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
