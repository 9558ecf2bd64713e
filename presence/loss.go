package presence

import (
	"context"
	"time"
)

// mayHaveLost is what a node does when the store may have lost the last it was
// told, by a failover or a restart.
func (e *engine) mayHaveLost() {
	e.noteLoss()
	e.doubt() // the index may name members that left
	e.reopenGraves()
	e.start(func() {
		if e.sleep(jitter()) {
			e.log.Warn("the store may have lost writes; repeating recent leaves and registering members again", "node", e.self())
			e.start(e.repeatLeaves)
			e.registerAll()
			e.refresh()
		}
	})
}

// lossTime is for how long after a loss owners may still be restoring.
const lossTime = 5 * time.Second

// noteLoss remembers when the store lost data last.
func (e *engine) noteLoss() {
	now := e.clock.Now()
	e.lostAt.Store(&now)
}

// lostOfLate tells whether the store lost data lately, as far as is known.
func (r *room) lostOfLate() bool {
	r.mu.Lock()
	suspect := r.suspect
	r.mu.Unlock()
	at := r.eng.lostAt.Load()
	return suspect || at != nil && r.eng.clock.Now().Sub(*at) < lossTime
}

// repeatLeaves removes the members again that this node removed lately, until
// the store answers for every room or they are forgotten. Rooms with a replica
// see to theirs by themselves; here are also those without. It blocks.
func (e *engine) repeatLeaves() {
	began := e.clock.Now()
	for rooms := e.departed.recent(began); len(rooms) > 0 && e.clock.Now().Sub(began) < rememberLeaves; {
		var failed error
		for room, list := range rooms {
			if err := e.repeatIn(room, list); err != nil {
				failed = err
				continue
			}
			delete(rooms, room)
		}
		if failed == nil {
			return
		}
		e.faults.Warn("leaves not repeated; trying again", "rooms", len(rooms), "error", failed)
		if !e.sleep(mendInterval) {
			return
		}
	}
}

func (e *engine) repeatIn(room string, list []departure) error {
	ids := make([]string, len(list))
	left := make(map[string]departure, len(list))
	for i, x := range list {
		ids[i], left[x.connID] = x.connID, x
	}
	ctx, cancel := e.bounded()
	defer cancel()
	found, err := e.store.LoadMembers(ctx, room, ids)
	if err != nil {
		return err
	}
	now := e.clock.Now()
	for i := range found.Members {
		m := &found.Members[i]
		if x := left[m.ConnID]; x.covers(m, now) && !e.owns(room, m.ConnID) {
			e.leaveAgain(room, m, x.reason)
		}
	}
	return nil
}

// registerAll writes the index entries of all members of this node again: they
// lie elsewhere than the members, and may be lost when those are not.
func (e *engine) registerAll() {
	for _, m := range e.memberships() {
		e.registerAgain(m)
	}
}

// registerAgain writes the index entries of a member, in its lane.
func (e *engine) registerAgain(m *membership) {
	m.room.mu.Lock()
	var l *lane
	switch {
	case m.seat != nil:
		l = &m.seat.lane
	case m.grace != nil:
		l = &m.grace.lane
	}
	m.room.mu.Unlock()
	if l == nil {
		return
	}
	step := func(ctx context.Context) error {
		if _, own := m.room.presence(m.entry()); own != m || m.owner != e.self() {
			return nil // gone, or its restore under the node's new id sees to it
		}
		return e.register(ctx, m.entry())
	}
	e.later(l, func() {
		ctx, cancel := e.bounded()
		defer cancel()
		if len(l.unsettled) > 0 || step(ctx) != nil {
			e.unsettle(l, step)
		}
	})
}
