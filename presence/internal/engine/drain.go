package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// BeginDrain refuses joins from now on.
func (e *Engine) BeginDrain() { e.draining.Store(true) }

// DrainNode drains the node: plain members leave, resumable ones are left in
// grace for any other node to take over. It returns when all of that is stored
// or ctx ends. No client is connected any more, or it will not hear of it. left
// says that something of the node stays in the store, or may: Deregister is told.
func (e *Engine) DrainNode(ctx context.Context) (left bool, err error) {
	e.draining.Store(true)
	d := &drainRun{eng: e, seen: make(map[*serial.Executor]bool)}
	// What is being carried out cannot be seen, only waited for, and may have
	// made something new: two rounds without a find, that being done in between.
	for quiet := 0; quiet < 2; quiet++ {
		more := false
		if e.life.WaitIdle(ctx) != nil || !d.wait(ctx, func() { more = d.sweep() }) || !d.wait(ctx, d.waitForPools) {
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
	return e.life.SignOff(ctx, left || e.index.InDoubt())
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
	for _, p := range []*serial.FairPool{d.eng.leavePool, d.eng.retryPool} {
		met := p.Barrier()
		d.open.Add(1)
		d.eng.start(func() {
			select {
			case <-met:
			case <-d.eng.ctx.Done():
			}
			d.finished()
		})
	}
}

// sweep has every executor that holds something of a member, and was not seen
// before, do its part. It reports whether there was any.
func (d *drainRun) sweep() (more bool) {
	e := d.eng
	add := func(l *serial.Executor, part func(ctx context.Context)) {
		if !d.seen[l] {
			d.seen[l], more = true, true
			d.add(l, part)
		}
	}
	for _, s := range e.socketsInRooms() {
		s.mu.Lock()
		for _, st := range s.sessions {
			add(&st.executor, func(ctx context.Context) { d.leaveOrHandOff(ctx, st) })
		}
		s.mu.Unlock()
	}
	for _, m := range e.ownedMembers() {
		m.room.mu.Lock()
		st, g := m.session, m.grace
		m.room.mu.Unlock()
		switch {
		case st != nil: // of a socket that has just closed
			add(&st.executor, func(ctx context.Context) { d.leaveOrHandOff(ctx, st) })
		case g != nil:
			add(&g.executor, func(ctx context.Context) { d.handOffGrace(ctx, g) })
		}
	}
	for _, l := range e.retries.Waiting() {
		add(l, func(context.Context) {})
	}
	return more
}

// add runs a part of the drain in an executor, behind the operations that are queued there.
func (d *drainRun) add(l *serial.Executor, part func(ctx context.Context)) {
	d.open.Add(1)
	d.eng.schedule(l, func() {
		defer d.finished()
		ctx, cancel := d.eng.storeContext()
		defer cancel()
		part(ctx)
		if l.ResolveInDoubt(ctx) != nil {
			d.left.Store(true)
		}
	})
}

func (d *drainRun) finished() {
	if d.open.Add(-1) == 0 {
		close(d.done)
	}
}

// leaveOrHandOff lets a socket's member go: plain ones leave, resumable ones are handed over.
func (d *drainRun) leaveOrHandOff(ctx context.Context, st *roomSession) {
	m := st.member.Load()
	if m == nil {
		return
	}
	st.detach(m, m.graceMs == 0)
	if m.graceMs > 0 {
		d.handOff(ctx, &st.executor, m, m.disconnectNow(store.ReasonShutdown, m.graceMs))
		return
	}
	_ = m.depart(ctx, &st.executor, store.ReasonShutdown) // what fails is in doubt
}

func (d *drainRun) handOffGrace(ctx context.Context, g *grace) {
	if !g.isOver() {
		d.handOff(ctx, &g.executor, g.m, g.disconnect)
	}
}

// handOff stores the grace of a member and forgets it: any node can resume
// it. If the store does not answer, the grace begins when this node is found dead.
func (d *drainRun) handOff(ctx context.Context, l *serial.Executor, m *ownedMember, x disconnect) {
	d.left.Store(true)
	err := l.ResolveInDoubt(ctx)
	if err == nil {
		err = m.storeGrace(x)(ctx)
	}
	if err != nil {
		d.eng.throttled.Warn("member not handed over; its grace begins when other servers find this one dead", "room", m.room.id, "connId", m.connID, "error", err)
	}
	m.room.mu.Lock()
	m.room.removeOwned(m)
	m.room.mu.Unlock()
}

// ownedMembers lists what the node owns.
func (e *Engine) ownedMembers() []*ownedMember {
	var list []*ownedMember
	for _, r := range e.replicas() {
		r.mu.Lock()
		for _, m := range r.owned {
			list = append(list, m)
		}
		r.mu.Unlock()
	}
	return list
}
