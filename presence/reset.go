package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// keepMissing is how long members that the store lost are shown on, for their
// owners to restore them.
const keepMissing = 10 * time.Second

// storeLost is what a node does when the store does not know it any more: data
// was lost, so every room is looked at.
func (e *engine) storeLost() {
	e.log.Warn("the store lost data; restoring members", "node", e.self())
	e.noteLoss()
	for _, r := range e.openRooms() {
		r.doubt(true)
	}
}

// reset is whether a room that was loaded lacks writes that the replica knows.
type reset byte

const (
	noReset    reset = iota
	maybeReset       // another record: the store lost the one before, or all had left
	surelyReset
)

// wasReset compares a room that was loaded with the replica. The lock is held.
func (r *room) wasReset(loaded *store.Room) reset {
	lost := r.eng.lostAt.Load()
	if r.suspect || lost != nil && !lost.Before(r.readAt) { // the room itself may not have heard of it yet
		return surelyReset
	}
	for i := range loaded.Members {
		if old := r.members[loaded.Members[i].ConnID]; old != nil && old.newerThan(&loaded.Members[i]) {
			return surelyReset
		}
	}
	switch {
	case r.pos.Born != "" && loaded.Born == r.pos.Born && loaded.Seq < r.pos.Seq:
		return surelyReset
	case r.keeping, r.pos.Born != "" && loaded.Born != r.pos.Born:
		return maybeReset
	}
	return noReset
}

// keep corrects what was loaded of a reset room by what the replica knows:
// members of this node that are missing or older are restored, those of others
// get time for that unless their owner is dead. The lock is held.
func (r *room) keep(how reset, old, loaded map[string]*member, dead map[string]bool) {
	now := r.eng.clock.Now()
	r.keeping = false
	for id, m := range old {
		stands, own := loaded[id], r.owned[id]
		switch {
		case own != nil && (own.leaving || own.removed):
			continue
		case own != nil && !own.newerThan(stands):
			continue
		case own != nil && stands == nil && how == maybeReset:
			own.lost = max(own.lost, maybeReset)
			r.question(own)
		case own != nil:
			r.reassert(own, stands == nil)
		case stands != nil && !m.newerThan(&stands.Member):
			continue
		case dead[m.Owner], r.gone.has(&m.Member, now):
			continue
		case m.keepUntil.IsZero():
			m.keepUntil = now.Add(keepMissing)
			r.followKept()
		}
		if own != nil || now.Before(m.keepUntil) {
			m.unsure = true
			loaded[id] = m
			r.keeping = true
		}
	}
	if r.keeping {
		r.eng.clock.AfterFunc(keepMissing, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refetch()
		})
	}
}

// keepOwn shows on what members of this node a load lacks without a word from
// whoever removed them, until it is known what became of them: the store may have
// lost them, and the notice of that be on its way. The lock is held.
func (r *room) keepOwn(old, loaded map[string]*member) {
	for id, own := range r.owned {
		m := old[id]
		if m == nil || loaded[id] != nil || own.leaving || m.Owner != own.owner || own.removed || own.seat == nil && own.grace == nil && !r.goesAway(own) {
			continue
		}
		m.unsure = true
		loaded[id] = m
		r.question(own)
	}
}

// dropGone takes out of a load who left, as the replica heard, and the store has
// back: they do not come back, but leave again. The first load after a loss may
// come before others that see no loss. The lock is held.
func (r *room) dropGone(how reset, old, loaded map[string]*member) {
	now := r.eng.clock.Now()
	for id, m := range loaded {
		own := r.owned[id]
		shown := old[id] != nil && (own == nil || !own.removed)
		if shown || !r.gone.has(&m.Member, now) || how == noReset && !r.gone.knows(&m.Member) {
			continue
		}
		delete(loaded, id)
		r.eng.leaveAgain(r.id, &m.Member, r.gone.reason(id))
	}
}

// leaves remembers the leave of a member that is shown, when the event as such
// is of no use: a load that lacks the member is no loss then. It reports whether
// it was one. The lock is held.
func (r *room) leaves(e *store.Event) bool {
	m := r.members[e.Member.ConnID]
	if e.Intent != store.IntentLeave || m == nil || m.Epoch > e.Member.Epoch ||
		m.Epoch == e.Member.Epoch && m.Owner != e.Member.Owner {
		return false
	}
	if own := r.owned[m.ConnID]; own != nil {
		if e.Reason == ReasonNodeLost && own.seat != nil || own.epoch.Load() > e.Member.Epoch {
			return false // restored
		}
		own.removed = true
	}
	r.noteLeft(lifeOf(e, m), e.Reason, r.eng.clock.Now())
	return true
}

// newerThan tells whether the store lost the last write of a member.
func (m *member) newerThan(stands *store.Member) bool {
	return stands.Epoch < m.Epoch || stands.Epoch == m.Epoch && stands.Write < m.Write
}

// newerThan tells whether the store lost the last write that counts of a member
// of this node.
func (m *membership) newerThan(stands *member) bool {
	if stands == nil {
		return true
	}
	epoch := m.epoch.Load()
	return stands.Epoch < epoch || stands.Epoch == epoch && stands.Owner == m.owner && stands.Write < m.write.Load()
}

// reassert restores a member of this node. The room's lock is held.
func (r *room) reassert(m *membership, missing bool) {
	m.lost, m.removed = surelyReset, false
	switch {
	case m.grace == nil:
		r.restoreLive(m)
	case missing:
		r.inquire(m, func() { r.restoreGrace(m) })
	default:
		r.restoreGrace(m)
	}
}

// restoreGrace restores a member of this node that has no socket. The room's
// lock is held.
func (r *room) restoreGrace(m *membership) {
	r.mendGrace(m, func(ctx context.Context, g *grace) error { return g.restore(ctx) })
}

// mendGrace runs a step for a member in grace until it succeeds. The room's lock
// is held.
func (r *room) mendGrace(m *membership, do func(ctx context.Context, g *grace) error) {
	g := m.grace
	if g.over || m.restoring {
		return
	}
	m.restoring = true
	e := r.eng
	step := func(ctx context.Context) error { return do(ctx, g) }
	e.later(&g.lane, func() {
		ctx, cancel := e.bounded()
		defer cancel()
		if g.settle(ctx) != nil || step(ctx) != nil {
			e.unsettle(&g.lane, step)
		}
	})
}

// restore is one try to write a member in grace again. An operation of the lane.
func (g *grace) restore(ctx context.Context) error {
	m := g.m
	e, r := m.room.eng, m.room
	if !r.moves.TryLock(m.connID) {
		return fmt.Errorf("restore: %s is being resumed: %w", m.connID, store.ErrUnavailable)
	}
	defer r.moves.Unlock(m.connID)
	if g.isOver() {
		return nil
	}
	found, err := e.store.LoadMembers(ctx, r.id, []string{m.connID})
	if err != nil {
		return err
	}
	if len(found.Members) == 0 && m.owner != e.self() {
		m.giveUp(evictRemoved) // its grace was the claimant's, and is over
		return nil
	}
	next := m.graced(g.loss)
	var fence int64
	if len(found.Members) > 0 {
		stands := &found.Members[0]
		if stands.Owner == m.owner && stands.Epoch >= m.epoch.Load() { // maybe by a try before
			m.epoch.Store(stands.Epoch)
			m.write.Store(max(m.write.Load(), stands.Write))
			next.Epoch, next.Write = stands.Epoch, m.write.Load()+1
		}
		if stands.Owner != m.owner && stands.Epoch >= next.Epoch {
			m.giveUp(evictMoved) // or this grace would end the next one of it too
			return nil
		}
		if !m.newerThan(&member{Member: *stands}) {
			m.restored() // it stands as it should
			return nil
		}
		fence = stands.Epoch
	}
	next.Epoch = max(next.Epoch, fence, r.epochOf(m.connID)) + 1
	if err := e.register(ctx, m.entry()); err != nil {
		return err
	}
	m.epoch.Store(next.Epoch) // also if nobody answers: a resume counts from it
	res, err := e.put(ctx, &store.Put{Intent: store.IntentRestore, Member: next, Fence: fence}, r)
	if err != nil {
		m.doubtMs.Store(e.expiry(ctx))
		return err
	}
	if res.Outcome != store.Applied && res.Outcome != store.Repeated {
		return fmt.Errorf("restore: the member was written meanwhile: %w", store.ErrUnavailable)
	}
	m.write.Store(next.Write)
	m.restored()
	return e.connJoin(ctx, m.conn())
}

// giveUp lets go of a member in grace that is not this node's to restore.
func (m *membership) giveUp(why removal) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	m.restoring = false
	if r.owned[m.connID] == m {
		r.evict(m, why, "")
	}
}
