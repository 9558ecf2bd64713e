package presence

import (
	"context"
	"fmt"
	"sync/atomic"
)

// drain empties the node: plain members leave, resumable ones are left in
// grace for any other node to take over. It returns when all of that is stored
// or ctx ends.
func (e *engine) drain(ctx context.Context) error {
	e.draining.Store(true)
	d := &draining{eng: e, done: make(chan struct{})}
	d.open.Store(1) // this function's own
	for _, s := range e.connected() {
		s.mu.Lock()
		for _, st := range s.seats {
			d.add(&st.lane, func(ctx context.Context) { d.seat(ctx, st) })
		}
		s.mu.Unlock()
	}
	for _, g := range e.graces() {
		d.add(&g.lane, func(ctx context.Context) { d.grace(ctx, g) })
	}
	d.finished()
	select {
	case <-d.done:
	case <-ctx.Done():
		return fmt.Errorf("presence: drain: %w", ctx.Err())
	}
	if d.left.Load() {
		return e.store.MarkDead(ctx, e.self()) // whoever finds the mark sees to them
	}
	return e.store.Retire(ctx, e.self())
}

// draining is a drain under way.
type draining struct {
	eng  *engine
	open atomic.Int64 // lanes that are not done yet
	done chan struct{}
	left atomic.Bool // something of this node stays in the store, or may
}

// add lets one lane do its part, behind what it is doing.
func (d *draining) add(l *lane, part func(ctx context.Context)) {
	d.open.Add(1)
	d.eng.later(l, func() {
		defer d.finished()
		ctx, cancel := d.eng.bounded()
		defer cancel()
		part(ctx)
		if l.settle(ctx) != nil {
			d.left.Store(true)
		}
	})
}

func (d *draining) finished() {
	if d.open.Add(-1) == 0 {
		close(d.done)
	}
}

// seat lets a socket's member go: plain ones leave, resumable ones are handed over.
func (d *draining) seat(ctx context.Context, st *seat) {
	m := st.member.Load()
	switch {
	case m == nil:
	case m.graceMs == 0:
		_ = d.eng.depart(ctx, &st.lane, m, ReasonShutdown) // what fails is unsettled
	default:
		st.detach(m)
		d.handOver(ctx, &st.lane, m, d.eng.lossNow(ReasonShutdown, m.graceMs))
	}
}

func (d *draining) grace(ctx context.Context, g *grace) {
	if !g.isOver() {
		d.handOver(ctx, &g.lane, g.m, g.loss)
	}
}

// handOver stores the grace of a member and forgets it: any node can resume
// it. If the store does not answer, the grace begins when this node is found dead.
func (d *draining) handOver(ctx context.Context, l *lane, m *membership, x loss) {
	d.left.Store(true)
	err := l.settle(ctx)
	if err == nil {
		err = m.storeGrace(x)(ctx)
	}
	if err != nil {
		d.eng.log.Warn("handing a member over failed", "room", m.room.id, "connId", m.connID, "error", err)
	}
	m.room.mu.Lock()
	m.room.disown(m)
	m.room.mu.Unlock()
}

// graces lists the members of this node that have no socket.
func (e *engine) graces() []*grace {
	var list []*grace
	for _, m := range e.memberships() {
		m.room.mu.Lock()
		if m.grace != nil {
			list = append(list, m.grace)
		}
		m.room.mu.Unlock()
	}
	return list
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
