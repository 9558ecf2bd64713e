package presence

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// drain empties the node: plain members leave, resumable ones are left in
// grace for any other node to take over. It returns when all of that is stored
// or ctx ends.
func (e *engine) drain(ctx context.Context) error {
	e.draining.Store(true)
	var wg sync.WaitGroup
	var left atomic.Int64 // members that stay in the store
	for _, m := range e.memberships() {
		wg.Add(1)
		e.drainOne(m, func(gone bool) {
			if !gone {
				left.Add(1)
			}
			wg.Done()
		})
	}
	done := make(chan struct{})
	e.start(func() {
		wg.Wait()
		close(done)
	})
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("presence: drain: %w", ctx.Err())
	}
	if left.Load() > 0 {
		// Whoever finds the mark ends their graces.
		return e.store.MarkDead(ctx, e.self())
	}
	return e.store.Retire(ctx, e.self())
}

// memberships lists what the node owns.
func (e *engine) memberships() []*membership {
	var list []*membership
	for _, r := range e.openRooms() {
		r.mu.Lock()
		for _, m := range r.owned {
			list = append(list, m)
		}
		r.mu.Unlock()
	}
	return list
}

// drainOne lets one member go, behind what its lane is doing.
func (e *engine) drainOne(m *membership, done func(gone bool)) {
	r := m.room
	r.mu.Lock()
	l, g := (*lane)(nil), m.grace
	switch {
	case g != nil:
		l = &g.lane
	case m.seat != nil:
		l = &m.seat.lane
	}
	r.mu.Unlock()
	if l == nil { // on its way out already
		done(true)
		return
	}
	l.post(func() {
		ctx, cancel := e.bounded()
		defer cancel()
		switch {
		case g != nil:
			e.handOver(ctx, m, g.loss)
		case m.graceMs > 0:
			e.handOver(ctx, m, e.lossNow(ReasonShutdown, m.graceMs))
		default:
			done(e.depart(ctx, l, m, ReasonShutdown) == nil)
			return
		}
		done(false)
	}, 0, e.departures.run)
}

// handOver stores the grace of a member whose node is about to stop, and
// forgets the member: any node can resume it. If the store does not answer,
// the grace begins when this node is found dead. An operation of the lane.
func (e *engine) handOver(ctx context.Context, m *membership, x loss) {
	r := m.room
	r.mu.Lock()
	st := m.seat
	r.mu.Unlock()
	if st != nil {
		st.detach(m)
	}
	if _, err := e.put(ctx, m.graced(x), r); err != nil {
		e.log.Warn("handing a member over failed", "room", r.id, "connId", m.connID, "error", err)
	}
	r.mu.Lock()
	r.disown(m)
	r.mu.Unlock()
}
