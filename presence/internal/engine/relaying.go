package engine

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

const (
	// maxAhead and maxAheadBytes are how far the goroutine that reads a client may be ahead
	// of the executor that relays what the client sent: beyond that the client is not read. They
	// are below what may wait at all, which is for a store that does not answer.
	maxAhead      = maxQueuedTasks / 4
	maxAheadBytes = maxQueuedBytes / 4
	// relayStep is how long one relay may keep its client from being read. One that takes
	// longer waits for the store, and the client's heartbeats must not.
	relayStep = 100 * time.Millisecond
	// longestHold bounds how long one event of a client waits to be read.
	longestHold = 5 * time.Second
)

// relaying is what a socket has its events relayed with: an executor, and what tells the
// goroutine that reads the connection when to wait for it.
type relaying struct {
	executor  serial.Executor
	heldUntil time.Time // when the others last had room again; of the executor

	mu      sync.Mutex
	waiting int // relays in the executor
	bytes   int // of these
	// full is closed when the others have room for what was relayed; nil: they have.
	full chan struct{}
	// step is closed when the executor ends a relay, or has to hold one; nil: nobody waits for that.
	step chan struct{}
	slow bool // the executor was waited for in vain, and has ended no relay since
}

// await blocks the goroutine that reads the connection while the others have no room for
// what the client sent, or the executor is too far behind. It reports false when the connection
// has ended.
func (r *relaying) await(p clientConn, c clock.Clock) bool {
	for begin := c.Now(); c.Now().Sub(begin) < longestHold; {
		full, step := r.behind()
		switch {
		case full != nil:
			if !p.Hold(full, longestHold) {
				return false
			}
		case step == nil:
			return true
		case !p.Hold(step, relayStep):
			return false
		default:
			r.lookAt(step)
		}
	}
	return true
}

// behind returns what to wait for before more is read: the receivers, or a step of the executor.
func (r *relaying) behind() (full, step <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full != nil || r.slow || r.waiting < maxAhead && r.bytes < maxAheadBytes {
		return r.full, nil
	}
	if r.step == nil {
		r.step = make(chan struct{})
	}
	return nil, r.step
}

// lookAt notes whether a step was waited for in vain.
func (r *relaying) lookAt(step <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-step:
	default:
		r.slow = true
	}
}

// relaying is what the socket's events are relayed with, made when first needed.
func (s *Socket) relaying() *relaying {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relays == nil {
		s.relays = new(relaying)
	}
	return s.relays
}

// postRelay queues an operation on the executor of the socket's relayed events, and counts
// its bytes as waiting. s.mu is held.
func (s *Socket) postRelay(r *relaying, size int, op func()) error {
	if !s.takes(size) {
		return wire.ErrTooManyWaiting
	}
	r.add(size)
	ok := r.executor.Post(func() {
		op()
		r.done(size)
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
	}, maxQueuedTasks, s.eng.start)
	if !ok {
		r.done(size)
		return wire.ErrTooManyWaiting
	}
	s.queued += size
	return nil
}

// add counts a relay that was posted to the executor.
func (r *relaying) add(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting++
	r.bytes += size
}

// done counts it out when the executor has ended it.
func (r *relaying) done(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	r.bytes -= size
	r.stepped()
}

// sendHeld waits until the others have room for what the client sent. An operation of the
// executor.
func (r *relaying) sendHeld(held Backlog, e *Node) {
	full := make(chan struct{})
	r.hold(full)
	held.Wait(e.ctx)
	r.hold(nil)
	r.heldUntil = e.clock.Now()
	close(full)
}

// hold notes what has to be closed before the executor goes on; nil: it goes on.
func (r *relaying) hold(full chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = full
	r.stepped()
}

// stepped wakes who waits for a step of the executor. The lock is held.
func (r *relaying) stepped() {
	r.slow = false
	if r.step != nil {
		close(r.step)
		r.step = nil
	}
}
