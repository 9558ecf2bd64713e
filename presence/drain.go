package presence

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// staggerTurn is the least pause between two closings: those that fall due
// within one go together.
const staggerTurn = 10 * time.Millisecond

// stagger calls f for each item, evenly spread over period, the first at once.
// It returns early when ended reports true, and does the rest without delay
// when ctx ends.
func stagger[T any](ctx context.Context, period time.Duration, items []T, ended func() bool, f func(T)) {
	begin := time.Now()
	at := func(i int) time.Duration { return time.Duration(float64(period) * float64(i) / float64(len(items))) }
	for i, item := range items {
		if wait := at(i) - time.Since(begin); wait > 0 && ctx.Err() == nil {
			if ended() {
				return
			}
			select {
			case <-time.After(max(wait, staggerTurn)):
			case <-ctx.Done():
			}
		}
		f(item)
	}
}

// empty drains the node: plain members leave, resumable ones are left in
// grace for any other node to take over. It returns when all of that is stored
// or ctx ends. No client is connected any more, or it will not hear of it. left
// says that something of the node stays in the store, or may.
func (e *engine) empty(ctx context.Context) (left bool, err error) {
	e.draining.Store(true)
	d := &draining{eng: e, seen: make(map[*lane]bool)}
	// What is being carried out cannot be seen, only waited for, and may have
	// made something new: two rounds without a find, that being done in between.
	for quiet := 0; quiet < 2; quiet++ {
		more := false
		if !e.undertaker.rest(ctx) || !d.wait(ctx, func() { more = d.round() }) || !d.wait(ctx, d.meet) {
			return true, fmt.Errorf("presence: drain: %w", ctx.Err())
		}
		if more {
			quiet = -1
		}
	}
	return d.left.Load(), nil
}

// signOff is the last that the store hears of the node: it is gone, or, if
// anything is left of it, dead, for whoever finds the mark to see to that.
func (e *engine) signOff(ctx context.Context, left bool) error {
	if !left {
		entries, err := e.store.NodeEntries(ctx, e.self(), 1)
		left = err != nil || len(entries) > 0
	}
	if left {
		return e.store.MarkDead(ctx, e.self())
	}
	return e.store.Retire(ctx, e.self())
}

// draining is a drain under way.
type draining struct {
	eng  *engine
	seen map[*lane]bool
	left atomic.Bool // a write is in doubt

	open atomic.Int64  // what wait waits for
	done chan struct{} // closed when there is none of it left
}

// wait runs f and waits for what it adds; false when ctx ends before.
func (d *draining) wait(ctx context.Context, f func()) bool {
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

// meet waits for all departures and mends that were begun before.
func (d *draining) meet() {
	for _, p := range []*pool{&d.eng.departures, &d.eng.mends} {
		met := p.meet()
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

// round has every lane that holds something of a member, and was not seen
// before, do its part. It reports whether there was any.
func (d *draining) round() (more bool) {
	e := d.eng
	add := func(l *lane, part func(ctx context.Context)) {
		if !d.seen[l] {
			d.seen[l], more = true, true
			d.add(l, part)
		}
	}
	for _, s := range e.connected() {
		s.mu.Lock()
		for _, st := range s.seats {
			add(&st.lane, func(ctx context.Context) { d.seat(ctx, st) })
		}
		s.mu.Unlock()
	}
	for _, m := range e.memberships() {
		m.room.mu.Lock()
		st, g := m.seat, m.grace
		m.room.mu.Unlock()
		switch {
		case st != nil: // of a socket that has just closed
			add(&st.lane, func(ctx context.Context) { d.seat(ctx, st) })
		case g != nil:
			add(&g.lane, func(ctx context.Context) { d.grace(ctx, g) })
		}
	}
	for _, l := range e.mender.waiting() {
		add(l, func(context.Context) {})
	}
	return more
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
	if m == nil {
		return
	}
	st.detach(m, m.graceMs == 0)
	if m.graceMs > 0 {
		x := d.eng.lossNow(ReasonShutdown, m.graceMs)
		x.shown = m.away.Load()
		d.handOver(ctx, &st.lane, m, x)
		return
	}
	_ = d.eng.depart(ctx, &st.lane, m, ReasonShutdown) // what fails is unsettled
}

func (d *draining) grace(ctx context.Context, g *grace) {
	if !g.isOver() {
		d.handOver(ctx, &g.lane, g.m, g.loss)
	}
}

// handOver stores the grace of a member and forgets it: any node can resume
// it. If the store does not answer, the grace begins when this node is found dead.
func (d *draining) handOver(ctx context.Context, l *lane, m *membership, x loss) {
	err := l.settle(ctx)
	if err == nil {
		err = m.storeGrace(x)(ctx)
	}
	if err != nil {
		d.left.Store(true)
		d.eng.faults.Warn("member not handed over; its grace begins when other servers find this one dead", "room", m.room.id, "connId", m.connID, "error", err)
	}
	m.room.mu.Lock()
	m.room.disown(m)
	m.room.mu.Unlock()
}

// restPause is how often it is looked whether the reaping under way is over.
const restPause = 10 * time.Millisecond

// rest waits until nothing is being reaped any more; false when ctx ends before.
// A node that drains begins no more of it.
func (u *undertaker) rest(ctx context.Context) bool {
	for u.working() {
		select {
		case <-time.After(restPause):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (u *undertaker) working() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, g := range u.graves {
		if g.busy {
			return true
		}
	}
	return false
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
