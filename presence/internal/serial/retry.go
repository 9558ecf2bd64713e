package serial

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// RetryQueue knows the executors that have writes in doubt: writes without an answer,
// which may have taken effect, or may still. A step says how one is resolved: it finds out
// whether the write took effect, or makes that irrelevant, and may run many times. The
// steps of an executor run in the order in which they were added, in tasks of it.
//
// Methods are safe for concurrent use unless they say otherwise, and none but CarryOut
// blocks.
type RetryQueue struct {
	pool      *FairPool
	deadlines *Deadlines
	bounds    Bounds

	mu        sync.Mutex
	executors map[*Executor]struct{} // that wait for the next Retry
	// all and ofRoom count those and the ones that Retry works on; the writes of some may be
	// resolved by now. all is written under the lock.
	all    atomic.Int64
	ofRoom map[string]int
}

// Bounds are how many executors may have writes in doubt before Admit refuses more.
type Bounds struct {
	Room int // of one room
	All  int
}

// NewRetryQueue returns an empty queue. Retry uses turns of the pool, which should be for
// nothing else: a retry that gets no answer keeps its turn. The contexts of steps are made
// by deadlines.
func NewRetryQueue(p *FairPool, d *Deadlines, b Bounds) *RetryQueue {
	return &RetryQueue{
		pool: p, deadlines: d, bounds: b,
		executors: make(map[*Executor]struct{}), ofRoom: make(map[string]int),
	}
}

// Add notes a step that resolves a write in doubt, behind those of the executor that are
// there. It runs at the next Retry, or when a task calls ResolveInDoubt. Only tasks of the
// executor may call Add, or who has just made the executor.
func (r *RetryQueue) Add(x *Executor, step func(context.Context) error) {
	x.inDoubt = append(x.inDoubt, step)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(x)
}

// Move makes the writes in doubt of one executor those of another one, behind its own.
// Only a task of from may call it, and only when no task of to can run.
func (r *RetryQueue) Move(from, to *Executor) {
	steps := from.inDoubt
	if from.inDoubt = nil; len(steps) == 0 {
		return
	}
	to.inDoubt = append(to.inDoubt, steps...) // before a Retry knows of it
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(to)
}

// CarryOut runs a step that must succeed some time, after the writes in doubt of the
// executor. Without success it is added to the queue. CarryOut blocks until the deadline of
// a request that came at posted, which is when the caller was queued: else a request behind
// it would wait twice. Only tasks of the executor may call it.
func (r *RetryQueue) CarryOut(x *Executor, posted time.Time, step func(context.Context) error) {
	ctx, cancel := r.deadlines.Until(r.deadlines.After(posted))
	defer cancel()
	if x.ResolveInDoubt(ctx) != nil || step(ctx) != nil {
		r.Add(x, step)
	}
}

// Admit returns an error when so much of a room, or in all, is in doubt that no more may
// be begun that could come into doubt. It takes no lock while nothing is in doubt.
func (r *RetryQueue) Admit(room string) error {
	all := int(r.all.Load())
	if all == 0 { // the usual case
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.ofRoom[room]; all >= r.bounds.All || n >= r.bounds.Room {
		return fmt.Errorf("%d clients of the room and %d in all have writes in doubt", n, all)
	}
	return nil
}

// Len is how many executors are counted as having writes in doubt.
func (r *RetryQueue) Len() int { return int(r.all.Load()) }

// Waiting lists the executors that wait for the next Retry.
func (r *RetryQueue) Waiting() []*Executor {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Executor, 0, len(r.executors))
	for x := range r.executors {
		list = append(list, x)
	}
	return list
}

// Retry has each executor that waits resolve its writes in doubt, in a turn of the pool,
// behind the tasks that are queued there. Those that did not resolve all of them wait for
// the next Retry. Its deadline is that of CarryOut.
func (r *RetryQueue) Retry() {
	r.mu.Lock()
	executors := r.executors
	r.executors = make(map[*Executor]struct{})
	r.mu.Unlock()
	for x := range executors {
		r.pool.Schedule(x, func(posted time.Time) {
			ctx, cancel := r.deadlines.Until(r.deadlines.After(posted))
			defer cancel()
			again := x.ResolveInDoubt(ctx) != nil
			r.mu.Lock()
			defer r.mu.Unlock()
			if again {
				r.add(x)
			}
			r.remove(x)
		})
	}
}

// add has an executor wait for the next Retry. The lock is held.
func (r *RetryQueue) add(x *Executor) {
	if _, waits := r.executors[x]; waits {
		return
	}
	r.executors[x] = struct{}{}
	r.all.Add(1)
	r.ofRoom[x.room]++
}

// remove ends the counting of an executor that Retry has taken out. The lock is held.
func (r *RetryQueue) remove(x *Executor) {
	r.all.Add(-1)
	if r.ofRoom[x.room]--; r.ofRoom[x.room] == 0 {
		delete(r.ofRoom, x.room)
	}
}
