package engine

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Leave handles presence:leave. It does not block. The answer comes when every
// room is left.
func (s *Socket) Leave(payload []byte, a Acker) {
	e := s.eng
	p, err := wire.ParseLeave(payload, e.Limits)
	if err != nil {
		e.Refuse(a, err, "leave")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seats := slices.DeleteFunc(slices.Clone(s.sessions), func(st *roomSession) bool {
		return p.RoomID != "" && st.roomID() != p.RoomID
	})
	var open atomic.Int32
	open.Store(int32(len(seats)) + 1)
	done := func() {
		if open.Add(-1) == 0 {
			a.Answer(ackOK)
		}
	}
	for _, st := range seats {
		if st.post(a, 0, func(deadline time.Time) { st.runLeave(deadline, p.GraceMs); done() }) {
			st.wantsRoom = false
		}
	}
	done()
}

// runLeave is the executor's half of a leave. One that the store did not answer is
// remembered and carried out later: to the client it is out of the room.
func (st *roomSession) runLeave(deadline time.Time, grace wire.Optional) {
	m := st.member.Load()
	if m == nil {
		return
	}
	e := st.sock.eng
	ctx, cancel := e.deadlines.Until(deadline)
	defer cancel()
	leaves := grace.Value == 0 || m.graceMs == 0
	st.detach(m, leaves)
	if leaves {
		_ = m.depart(ctx, &st.executor, store.ReasonLeave)
		return
	}
	m.leaveInGrace(ctx, &st.executor, grace.Value)
}

// leaveInGrace begins a grace that the client asked for, in place of the join's. It is stored:
// the page that resumes may reach another node, and this one may stop before the grace ends.
// Called by operations of the executor only.
func (m *ownedMember) leaveInGrace(ctx context.Context, l *serial.Executor, graceMs int64) {
	x := m.disconnectNow(store.ReasonLeave, graceMs)
	m.room.mu.Lock()
	m.graceMs = graceMs
	m.room.mu.Unlock()
	step := m.storeGrace(x)
	if l.ResolveInDoubt(ctx) != nil || step(ctx) != nil {
		m.room.all.markInDoubt(l, step)
	}
	m.beginGrace(l, x)
}

// depart removes an owned member from its room and the indexes. If the store does
// not answer it is remembered and done later. Called by operations of the executor only.
func (m *ownedMember) depart(ctx context.Context, l *serial.Executor, reason store.Reason) error {
	m.room.mu.Lock()
	m.leaving = true
	m.room.mu.Unlock()
	step := m.removing(reason)
	err := l.ResolveInDoubt(ctx)
	if err == nil {
		err = step(ctx)
	}
	if err != nil {
		m.room.all.markInDoubt(l, step)
	}
	return err
}

// removing is the step that takes a member out of its room and the indexes. It may be
// repeated until it succeeds.
func (m *ownedMember) removing(reason store.Reason) func(context.Context) error {
	return func(ctx context.Context) error { return m.remove(ctx, reason) }
}

// remove is one try. The user's entry goes first: it must not outlive the record if this
// node dies in between.
func (m *ownedMember) remove(ctx context.Context, reason store.Reason) error {
	e, r := m.room.all, m.room
	if e.storeNow() <= m.inDoubtUntilMs.Load() { // a restore would bring it back
		return fmt.Errorf("leave: too early behind a restore in doubt: %w", store.ErrUnavailable)
	}
	if err := e.removeUser(ctx, m.userEntry()); err != nil {
		return err
	}
	outcome, err := e.removeMember(ctx, store.Remove{
		Room: r.id, ConnID: m.connID, Epoch: m.epoch.Load(), Owner: m.owner, Life: m.life, Reason: reason,
	})
	if err == nil && outcome == store.Fenced {
		outcome, err = m.removeElsewhere(ctx, reason)
	}
	if err != nil {
		return err
	}
	if outcome == store.Fenced { // it lives on in another's hands
		m.letGo()
		return nil
	}
	m.noteEnd(reason, true) // Missing: a try before this one may have done it
	m.letGo()
	return m.eraseConn(ctx)
}

// removeElsewhere removes what a fenced leave met if that is the same life without a
// socket of another node: one that a claimant took over, or that others restored, or
// that the store went back to. One that another socket has lives on.
func (m *ownedMember) removeElsewhere(ctx context.Context, reason store.Reason) (store.Outcome, error) {
	e, r := m.room.all, m.room
	stands, err := e.stored(ctx, r.id, m.connID)
	switch {
	case err != nil:
		return store.Fenced, err
	case stands == nil: // somebody removed it after the leave was fenced
		return store.Missing, nil
	case stands.Life != m.life:
		return store.Fenced, nil
	case stands.UntilMs == 0 && stands.Epoch >= m.epoch.Load():
		return store.Fenced, e.addUser(ctx, m.userEntry()) // which was removed above
	}
	m.epoch.Store(max(m.epoch.Load(), stands.Epoch)) // what comes after is above it
	outcome, err := e.removeMember(ctx, store.Remove{
		Room: r.id, ConnID: m.connID, Epoch: stands.Epoch, Owner: stands.Owner, Life: m.life, Reason: reason,
	})
	if err == nil && outcome == store.Fenced {
		err = fmt.Errorf("leave: the member is written by somebody: %w", store.ErrUnavailable)
	}
	return outcome, err
}

// removeMember removes a member from its room.
func (e *Node) removeMember(ctx context.Context, q store.Remove) (store.Outcome, error) {
	q.ExpiresMs = e.expiry(ctx)
	outcome, err := e.store.Remove(ctx, q)
	return outcome, expired(outcome, err)
}

// noteEnd remembers, by a tombstone, that the life of the member ended, maybe by this node.
func (m *ownedMember) noteEnd(reason store.Reason, mine bool) {
	m.room.all.tombstones.Add(replica.Tombstone{
		Life: m.life, Room: m.room.id, ConnID: m.connID, UserID: m.userID, Owner: m.owner, Reason: reason, Mine: mine,
	}, m.room.all.clock.Now())
}

// letGo forgets an owned member that has no socket.
func (m *ownedMember) letGo() {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	m.room.removeOwned(m)
}

// erase removes what else there is of a member that others removed from its room.
func (m *ownedMember) erase(ctx context.Context) error {
	if err := m.room.all.removeUser(ctx, m.userEntry()); err != nil {
		return err
	}
	return m.eraseConn(ctx)
}

// eraseConn takes the room out of the connection's record, unless the connection is in
// it again.
func (m *ownedMember) eraseConn(ctx context.Context) error {
	m.room.mu.Lock()
	again := m.room.Owns(m.connID)
	m.room.mu.Unlock()
	if again {
		return nil
	}
	return m.room.all.connLeave(ctx, m.conn())
}

// repeatLeave removes a member again whose life has ended. It does not block.
func (e *ownedMembers) repeatLeave(t replica.Tombstone) {
	e.carryOutLater(t.Room, func(ctx context.Context) error { return e.repeatLeaveOnce(ctx, t) })
}

// repeatLeaveOnce is one try.
func (e *ownedMembers) repeatLeaveOnce(ctx context.Context, t replica.Tombstone) error {
	if err := e.endEntries(ctx, t); err != nil {
		return err
	}
	_, err := e.removeMember(ctx, store.Remove{Room: t.Room, ConnID: t.ConnID, Life: t.Life, Reason: t.Reason})
	return err
}
