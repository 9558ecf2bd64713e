package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
)

// BeginDrain refuses joins from now on, and begins no more work on dead nodes (Draining).
func (e *Engine) BeginDrain() { e.Stopping.Store(true) }

// DrainNode drains the node: plain members leave, resumable ones are left in
// grace for any other node to take over. It returns when all of that is stored
// or ctx ends. The connections are closed by then; a client that is still connected is not
// told. left says that something of the node stays in the store, or may; it is passed on to
// Deregister.
func (e *Engine) DrainNode(ctx context.Context) (left bool, err error) {
	e.Stopping.Store(true)
	d := &drainRun{eng: e, seen: make(map[*serial.Executor]bool)}
	// A task that runs just now is not found by sweep. It can only be waited for, and it may
	// leave something new to do. So the drain is over after two sweeps in a row that found
	// nothing, with a wait for all that runs between them.
	for quiet := 0; quiet < 2; quiet++ {
		more := false
		if e.Life.WaitIdle(ctx) != nil || !d.wait(ctx, func() { more = d.sweep() }) || !d.wait(ctx, d.waitForPools) {
			return true, fmt.Errorf("presence: drain: %w", ctx.Err())
		}
		if more {
			quiet = -1
		}
	}
	return d.left.Load(), nil
}

// Deregister is the last that the store hears of the node, which is shut by then. left says
// that something of it may be in the store. So may an entry of the node's index whose write
// was cut short.
func (e *Engine) Deregister(ctx context.Context, left bool) error {
	return e.Life.SignOff(ctx, left || e.Index.InDoubt())
}

// drainRun is a drain under way.
type drainRun struct {
	eng  *Engine
	seen map[*serial.Executor]bool
	left atomic.Bool // a member is handed over, or a write is in doubt

	open atomic.Int64  // what wait waits for
	done chan struct{} // closed when there is none of it left
}

// wait runs f and waits for everything that f adds. It reports false when ctx ends first.
func (d *drainRun) wait(ctx context.Context, f func()) bool {
	d.done = make(chan struct{})
	d.open.Store(1) // this function's own
	f()
	d.finished()
	select {
	case <-d.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitForPools waits for all that the pools of leaves and of retries began before.
func (d *drainRun) waitForPools() {
	for _, p := range []*serial.FairPool{d.eng.LeavePool, d.eng.RetryPool} {
		met := p.Barrier()
		d.open.Add(1)
		d.eng.Go(func() {
			select {
			case <-met:
			case <-d.eng.Ctx.Done():
			}
			d.finished()
		})
	}
}

// sweep has every executor that holds something of a member, and was not seen
// before, do its part. It reports whether there was any.
func (d *drainRun) sweep() (more bool) {
	e := d.eng
	add := func(l *serial.Executor, part func(ctx context.Context) bool) {
		if !d.seen[l] {
			d.seen[l], more = true, true
			d.add(l, part)
		}
	}
	for _, st := range e.Sockets.Sessions() {
		add(st.Executor(), st.LeaveOrHandOff)
	}
	for _, m := range e.Owned.All() {
		if l, part := m.LetGoPart(); l != nil {
			add(l, part)
		}
	}
	for _, l := range e.Retries.Waiting() {
		add(l, func(context.Context) bool { return false })
	}
	return more
}

// add runs a part of the drain in an executor, behind the operations that are queued there.
// The part reports whether it left something in the store.
func (d *drainRun) add(l *serial.Executor, part func(ctx context.Context) bool) {
	d.open.Add(1)
	d.eng.Schedule(l, func() {
		defer d.finished()
		ctx, cancel := d.eng.StoreContext()
		defer cancel()
		left := part(ctx)
		if l.ResolveInDoubt(ctx) != nil || left {
			d.left.Store(true)
		}
	})
}

func (d *drainRun) finished() {
	if d.open.Add(-1) == 0 {
		close(d.done)
	}
}
