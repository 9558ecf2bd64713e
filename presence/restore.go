package presence

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// reborn is what a node does when its life sign says that it was declared
// dead: it takes a new id, under which nothing was reaped, and restores the
// members that have a socket here. Those in grace are the claimant's.
func (e *engine) reborn(ctx context.Context) error {
	old := e.self()
	e.rename()
	e.log.Warn("this node was declared dead; its members are restored under a new id", "was", old, "is", e.self())
	if err := e.beat(ctx); err != nil { // before any member stands under the new id
		return err
	}
	for _, m := range e.memberships() {
		m.room.mu.Lock()
		m.room.restoreLive(m)
		m.room.mu.Unlock()
	}
	return nil
}

// restoreLive restores a member that somebody reaped although its socket is
// here. The room's lock is held.
func (r *room) restoreLive(m *membership) {
	st := m.seat
	if st == nil || m.restoring || m.leaving || r.owned[m.connID] != m {
		return
	}
	m.restoring = true
	st.lane.postFirst(func() {
		ctx, cancel := r.eng.bounded()
		defer cancel()
		step := func(ctx context.Context) error { return st.restore(ctx, m) }
		if len(st.unsettled) > 0 || step(ctx) != nil {
			r.eng.unsettle(&st.lane, step)
		}
	}, r.eng.start)
}

// restoreTries is how often a restore follows a member that is written meanwhile.
const restoreTries = 4

// restore writes a member again as its owner knows it: acknowledged writes
// survive. The client's epoch stays; that in the store rises.
func (st *seat) restore(ctx context.Context, m *membership) error {
	e, r := st.sock.eng, m.room
	for range restoreTries {
		if st.member.Load() != m { // left, or resumed elsewhere
			return nil
		}
		found, err := e.store.LoadMembers(ctx, r.id, []string{m.connID})
		if err != nil {
			return err
		}
		var fence int64
		next := m.record()
		next.Owner = e.self()
		if len(found.Members) > 0 {
			stands := found.Members[0]
			if stands.Owner == m.owner && stands.Epoch == m.epoch.Load() && m.owner == e.self() {
				m.restored() // it stands as it should
				return nil
			}
			if stands.Owner != m.owner && stands.UntilMs == 0 {
				r.mu.Lock()
				r.evict(m, evictMoved, "") // a client resumed it
				r.mu.Unlock()
				return nil
			}
			fence, next.Write = stands.Epoch, max(next.Write, stands.Write)
		}
		next.Epoch = max(m.epoch.Load(), fence) + 1
		next.Write++
		if done, err := st.restoreAs(ctx, m, next, fence); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("restore: the member is written all the time: %w", store.ErrUnavailable)
}

// restoreAs is one try: index entry, member, connection.
func (st *seat) restoreAs(ctx context.Context, m *membership, next store.Member, fence int64) (done bool, err error) {
	e, r := st.sock.eng, m.room
	entry := m.entry()
	entry.Node, entry.Epoch = next.Owner, next.Epoch
	if err := e.register(ctx, entry); err != nil {
		return false, err
	}
	r.mu.Lock()
	m.owner = next.Owner
	m.epoch.Store(next.Epoch) // also if nobody answers: a leave must find it
	r.mu.Unlock()
	m.write = next.Write
	res, err := e.put(ctx, store.Put{Intent: store.IntentRestore, Member: next, Fence: fence}, r)
	if err != nil {
		m.doubtMs.Store(e.expiry(ctx))
		return false, err
	}
	if res.Outcome != store.Applied && res.Outcome != store.Repeated {
		return false, nil
	}
	m.restored()
	return true, e.connJoin(ctx, m.conn())
}

func (m *membership) restored() {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.restoring = false
}
