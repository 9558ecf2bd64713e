package engineio

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// flushInterval is how often a busy flush loop turns. Frames that come between two turns of it
	// leave their session in one write.
	flushInterval = time.Millisecond
	// directFlushes is up to how many flushes of the whole server are made at once, each on the goroutine
	// that sends, within two windows of its pace. The others are left to the flush loops.
	directFlushes = 16
)

// pace tells whether flushes are so few that gathering them would save nothing. Safe for concurrent use.
type pace struct {
	window time.Duration
	gather atomic.Int64 // until when flushes are many for sure, on the server's clock
	// The number of the current window, the flushes in the window before it, and those in it.
	counts atomic.Uint64
}

const (
	paceBits = 6 // of a count
	paceMost = 1<<paceBits - 1
)

// few counts a flush at the time now, and reports whether no more than directFlushes came in this window
// and the one before. The windows are short, so that a goroutine that sends to many sessions makes only
// the first of the writes by itself.
func (p *pace) few(now time.Duration) bool {
	if now < time.Duration(p.gather.Load()) {
		return false
	}
	at := uint64(now / p.window)
	for {
		old := p.counts.Load()
		window, before, count := old>>(2*paceBits), old>>paceBits&paceMost, old&paceMost
		switch {
		case at <= window: // also by a goroutine that was slow to come here
			at = window
		case at == window+1:
			before, count = count, 0
		default:
			before, count = 0, 0
		}
		count = min(count+1, paceMost)
		if p.counts.CompareAndSwap(old, at<<(2*paceBits)|before<<paceBits|count) {
			return before+count <= directFlushes
		}
	}
}

// gathered notes that so many sessions were flushed in one turn of a loop.
func (p *pace) gathered(now time.Duration, sessions int) {
	if sessions > directFlushes/2 {
		p.gather.Store(int64(now + 2*flushInterval))
	}
}

// flusher is a loop that sends out the queues of the sessions handed to it. Nothing may block it:
// what a connection does not take at once is left to a goroutine of that session.
type flusher struct {
	srv   *Server
	mu    sync.Mutex
	dirty []*Session
	spare []*Session
	wake  chan struct{} // has a token when dirty has become non-empty
}

func newFlusher(srv *Server) *flusher { return &flusher{srv: srv, wake: make(chan struct{}, 1)} }

// join hands over a session as add does, if others wait for the loop already.
func (f *flusher) join(s *Session) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.dirty) == 0 {
		return false
	}
	f.dirty = append(f.dirty, s)
	return true
}

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
	f.srv.pace.gathered(f.srv.now(), len(dirty))
	for _, s := range dirty {
		s.flushDirty()
	}
	clear(dirty)
	f.mu.Lock()
	f.spare = dirty[:0]
	f.mu.Unlock()
}
