package presence

import (
	"context"
	"slices"
	"sync"
)

// maxQueued is how many requests may wait in one lane; a client that sends
// more without waiting for answers is told to slow down.
const maxQueued = 1024

// lane runs operations one at a time in the order posted, on a goroutine that
// exists only while there are some.
type lane struct {
	roomID string // the room that its operations are about; "" if they are about none

	mu    sync.Mutex
	queue []func()
	busy  bool

	// idle, if set, is called whenever the lane ran dry.
	idle func()

	// unsettled are writes of which nobody knows whether they took effect, in
	// the order in which they must be settled. Only operations of the lane
	// touch it.
	unsettled []func(context.Context) error
}

// post queues op and has start run the lane if it is idle. It reports false,
// and queues nothing, when limit operations wait already; 0 is no limit.
func (l *lane) post(op func(), limit int, start func(func())) bool {
	l.mu.Lock()
	if limit > 0 && len(l.queue) >= limit {
		l.mu.Unlock()
		return false
	}
	l.queue = append(l.queue, op)
	l.wake(start)
	return true
}

// postFirst queues op before all that waits.
func (l *lane) postFirst(op func(), start func(func())) {
	l.mu.Lock()
	l.queue = slices.Insert(l.queue, 0, op)
	l.wake(start)
}

// wake runs the lane if it is idle, and unlocks it.
func (l *lane) wake(start func(func())) {
	idle := !l.busy
	l.busy = true
	l.mu.Unlock()
	if idle {
		start(l.run)
	}
}

// begin takes an idle lane for an operation that the caller carries out, which
// may go on when the caller has returned. finish is its end.
func (l *lane) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		return false
	}
	l.busy = true
	return true
}

// finish goes on with what was queued since begin.
func (l *lane) finish(start func(func())) {
	l.mu.Lock()
	if len(l.queue) > 0 {
		l.mu.Unlock()
		start(l.run)
		return
	}
	l.queue, l.busy = nil, false
	l.mu.Unlock()
	if l.idle != nil {
		l.idle()
	}
}

func (l *lane) run() {
	for op := l.next(); op != nil; op = l.next() {
		op()
	}
	if l.idle != nil {
		l.idle()
	}
}

func (l *lane) next() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue, l.busy = nil, false
		return nil
	}
	op := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return op
}

// settle finishes what is unsettled; on an error the rest stays so. Called by
// operations of the lane only.
func (l *lane) settle(ctx context.Context) error {
	for len(l.unsettled) > 0 {
		next := l.unsettled[0]
		l.unsettled = l.unsettled[1:] // it may hand the rest on
		if err := next(ctx); err != nil {
			l.unsettled = slices.Insert(l.unsettled, 0, next)
			return err
		}
	}
	l.unsettled = nil
	return nil
}
