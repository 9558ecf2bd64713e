package engineio

import (
	"sync"
	"time"
)

// flushInterval is how often a busy flush loop turns. Frames that come between two turns of it
// leave their session in one write.
const flushInterval = time.Millisecond

// flusher is a loop that sends out the queues of the sessions handed to it. Nothing may block it:
// what a connection does not take at once is left to a goroutine of that session.
type flusher struct {
	mu    sync.Mutex
	dirty []*Session
	spare []*Session
	wake  chan struct{} // has a token when dirty has become non-empty
}

func newFlusher() *flusher { return &flusher{wake: make(chan struct{}, 1)} }

// add hands over a session, which must not be added again before its flush has begun.
func (f *flusher) add(s *Session) {
	f.mu.Lock()
	f.dirty = append(f.dirty, s)
	first := len(f.dirty) == 1
	f.mu.Unlock()
	if first {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// run turns until stop is closed: at once after a pause, else once per flushInterval.
func (f *flusher) run(stop <-chan struct{}) {
	var last time.Time
	for {
		select {
		case <-f.wake:
		case <-stop:
			return
		}
		if wait := flushInterval - time.Since(last); wait > 0 {
			time.Sleep(wait)
		}
		last = time.Now()
		f.turn()
	}
}

func (f *flusher) turn() {
	f.mu.Lock()
	dirty := f.dirty
	f.dirty, f.spare = f.spare, nil
	f.mu.Unlock()
	for _, s := range dirty {
		s.flushDirty()
	}
	clear(dirty)
	f.mu.Lock()
	f.spare = dirty[:0]
	f.mu.Unlock()
}
