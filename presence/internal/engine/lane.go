package engine

import (
	"context"
	"slices"
	"sync"
)

// maxQueuedTasks is how many operations may wait in one executor. A client that sends more without
// waiting for answers is refused with rate_limited.
const maxQueuedTasks = 1024

// executor runs operations one at a time in the order posted, on a goroutine that
// exists only while there are some.
type executor struct {
	roomID string // the room that its operations are about; "" if they are about none

	mu    sync.Mutex
	queue []func()
	busy  bool

	// idle, if set, is called whenever the executor ran dry.
	onIdle func()

	// inDoubt are the in-doubt writes, in the order in which they must be resolved: they
	// got no answer, and may have taken effect. Only operations of the executor touch it.
	inDoubt []func(context.Context) error
}

// post queues op and has start run the executor if it is idle. It reports false,
// and queues nothing, when limit operations wait already; 0 is no limit.
func (l *executor) post(op func(), limit int, start func(func())) bool {
	l.mu.Lock()
	if limit > 0 && len(l.queue) >= limit {
		l.mu.Unlock()
		return false
	}
	l.queue = append(l.queue, op)
	l.startLocked(start)
	return true
}

// postFront queues op before all that waits.
func (l *executor) postFront(op func(), start func(func())) {
	l.mu.Lock()
	l.queue = slices.Insert(l.queue, 0, op)
	l.startLocked(start)
}

// startLocked runs the executor if it is idle, and unlocks it.
func (l *executor) startLocked(start func(func())) {
	idle := !l.busy
	l.busy = true
	l.mu.Unlock()
	if idle {
		start(l.run)
	}
}

// tryAcquire takes an idle executor for an operation that the caller carries out, which
// may go on when the caller has returned. finish is its end.
func (l *executor) tryAcquire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		return false
	}
	l.busy = true
	return true
}

// releaseRun releases the executor and runs what was queued since begin.
func (l *executor) releaseRun(start func(func())) {
	l.mu.Lock()
	if len(l.queue) > 0 {
		l.mu.Unlock()
		start(l.run)
		return
	}
	l.queue, l.busy = nil, false
	l.mu.Unlock()
	if l.onIdle != nil {
		l.onIdle()
	}
}

func (l *executor) run() {
	for op := l.next(); op != nil; op = l.next() {
		op()
	}
	if l.onIdle != nil {
		l.onIdle()
	}
}

func (l *executor) next() func() {
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

// resolveInDoubt resolves the in-doubt writes. On an error the rest stays in doubt. Called by
// operations of the executor only.
func (l *executor) resolveInDoubt(ctx context.Context) error {
	for len(l.inDoubt) > 0 {
		next := l.inDoubt[0]
		l.inDoubt = l.inDoubt[1:] // it may hand the rest on
		if err := next(ctx); err != nil {
			l.inDoubt = slices.Insert(l.inDoubt, 0, next)
			return err
		}
	}
	l.inDoubt = nil
	return nil
}
