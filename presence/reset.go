package presence

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// keepMissing is how long members that the store lost are shown on, for their
// owners to restore them.
const keepMissing = 10 * time.Second

// storeLost is what a node does when the store does not know it any more: data
// was lost, so every room is looked at.
func (e *engine) storeLost() {
	e.log.Warn("the store lost data; restoring members", "node", e.self())
	for _, r := range e.openRooms() {
		r.mu.Lock()
		r.refetch()
		r.mu.Unlock()
	}
}

// keep carries the members over that a reset room lost, into what was loaded:
// this node's own are restored, those of others get time for that. Once that
// is over they are gone. The lock is held.
func (r *room) keep(old, loaded map[string]*member) {
	now := r.eng.clock.Now()
	waiting := false
	for id, m := range old {
		if loaded[id] != nil {
			continue
		}
		own := r.owned[id]
		switch {
		case own != nil && own.seat != nil && !own.leaving:
			r.restoreLive(own)
		case own != nil && own.grace != nil:
			r.restoreGrace(own)
		case m.keepUntil.IsZero():
			m.keepUntil = now.Add(keepMissing)
		}
		if own != nil || now.Before(m.keepUntil) {
			loaded[id] = m
			waiting = true
		}
	}
	r.keeping = waiting
	if waiting {
		r.eng.clock.AfterFunc(keepMissing, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refetch()
		})
	}
}

// restoreGrace restores a member of this node that has no socket. The room's
// lock is held.
func (r *room) restoreGrace(m *membership) {
	g := m.grace
	if g.over || m.restoring {
		return
	}
	m.restoring = true
	e := r.eng
	next := store.Put{Intent: store.IntentRestore}
	step := func(ctx context.Context) error {
		if g.isOver() {
			return nil
		}
		if next.Member.ConnID == "" {
			next.Member = m.graced(g.loss)
			next.Member.Epoch++
		}
		if err := e.register(ctx, m.entry()); err != nil {
			return err
		}
		res, err := e.put(ctx, next, r)
		if err != nil {
			m.doubtMs.Store(e.expiry(ctx))
			return err
		}
		if res.Outcome == store.Applied || res.Outcome == store.Repeated {
			m.epoch.Store(next.Member.Epoch)
			m.write = next.Member.Write
		}
		m.restored()
		return e.connJoin(ctx, m.conn())
	}
	e.later(&g.lane, func() {
		ctx, cancel := e.bounded()
		defer cancel()
		if g.settle(ctx) != nil || step(ctx) != nil {
			e.unsettle(&g.lane, step)
		}
	})
}

// explain finds out why the store has a member no more that a write was for.
// It reports true when the store lost it and it is restored by now: the write
// may be tried again. If somebody removed it or took it over, the event that
// says so is waited for, and the error is the client's.
func (st *seat) explain(ctx context.Context, m *membership, found store.Outcome) (restored bool, err error) {
	e, r := st.sock.eng, m.room
	if found == store.Missing {
		at, err := e.store.Positions(ctx, []string{r.id})
		if err != nil {
			return false, err
		}
		if reset := at[0].Born != r.position().Born; reset {
			e.sleep(missingAfter) // the last one in the room may have been removed
			if st.member.Load() == m {
				return true, st.restore(ctx, m)
			}
		}
	}
	return false, st.lost(m, found)
}
