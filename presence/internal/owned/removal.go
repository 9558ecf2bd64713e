package owned

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/member"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Depart removes an owned member from its room and the indexes. If the store does
// not answer it is remembered and done later. Called by operations of the executor only.
func (m *Member) Depart(ctx context.Context, l *serial.Executor, reason store.Reason) error {
	m.Room.Mu.Lock()
	m.Leaving = true
	m.Room.Mu.Unlock()
	step := m.removing(reason)
	err := l.ResolveInDoubt(ctx)
	if err == nil {
		err = step(ctx)
	}
	if err != nil {
		m.Room.all.MarkInDoubt(l, step)
	}
	return err
}

// removing is the step that takes a member out of its room and the indexes. It may be
// repeated until it succeeds.
func (m *Member) removing(reason store.Reason) func(context.Context) error {
	return func(ctx context.Context) error { return m.remove(ctx, reason) }
}

// remove is one try. The user's entry goes first: it must not outlive the record if this
// node dies in between.
func (m *Member) remove(ctx context.Context, reason store.Reason) error {
	ms, r := m.Room.all, m.Room
	if ms.StoreNow() <= m.inDoubtUntilMs.Load() { // a restore would bring it back
		return fmt.Errorf("leave: too early behind a restore in doubt: %w", store.ErrUnavailable)
	}
	if err := ms.RemoveUser(ctx, m.userEntry()); err != nil {
		return err
	}
	outcome, err := ms.RemoveMember(ctx, store.Remove{
		Room: r.ID, ConnID: m.ConnID, Epoch: m.Epoch.Load(), Owner: m.owner, Life: m.Life, Reason: reason,
	})
	if err == nil && outcome == store.Fenced {
		outcome, err = m.removeElsewhere(ctx, reason)
	}
	if err != nil {
		return err
	}
	if outcome == store.Fenced { // it lives on in another's hands
		m.letGo(unheardEpochs)
		return nil
	}
	m.noteEnd(reason, true)
	var above int64
	if outcome == store.Missing { // the store lost it, others removed it, or a try before this one did
		above = unheardEpochs
		if err := ms.TellEnd(ctx, m.tombstone(reason)); err != nil {
			return err
		}
	}
	m.letGo(above)
	return m.eraseConn(ctx)
}

// removeElsewhere removes what a fenced leave met if that is the same life without a
// socket of another node: one that a claimant took over, or that others restored, or
// that the store went back to. One that another socket has, or had last, lives on.
func (m *Member) removeElsewhere(ctx context.Context, reason store.Reason) (store.Outcome, error) {
	ms, r := m.Room.all, m.Room
	stands, err := ms.Stored(ctx, r.ID, m.ConnID)
	switch {
	case err != nil:
		return store.Fenced, err
	case stands == nil: // somebody removed it after the leave was fenced
		return store.Missing, nil
	case stands.Life != m.Life:
		return store.Fenced, nil
	case stands.UntilMs == 0 && stands.Epoch >= m.Epoch.Load(), member.ResumedSince(m.Epoch.Load(), stands.Epoch):
		return store.Fenced, ms.GiveUserBack(ctx, m.userEntry()) // which was removed above
	}
	m.Epoch.Store(max(m.Epoch.Load(), stands.Epoch)) // what comes after is above it
	outcome, err := ms.RemoveMember(ctx, store.Remove{
		Room: r.ID, ConnID: m.ConnID, Epoch: stands.Epoch, Owner: stands.Owner, Life: m.Life, Reason: reason,
	})
	if err == nil && outcome == store.Fenced {
		err = fmt.Errorf("leave: the member is written by somebody: %w", store.ErrUnavailable)
	}
	return outcome, err
}

// noteEnd remembers, by a tombstone, that the life of the member ended, maybe by this node.
func (m *Member) noteEnd(reason store.Reason, mine bool) {
	t := m.tombstone(reason)
	t.Mine = mine
	m.Room.all.Tombstones.Add(t, m.Room.all.Clock.Now())
}

func (m *Member) tombstone(reason store.Reason) replica.Tombstone {
	return replica.Tombstone{
		Life: m.Life, Room: m.Room.ID, ConnID: m.ConnID, UserID: m.UserID, Owner: m.owner, Reason: reason,
		Epoch: m.Epoch.Load(),
	}
}

// letGo forgets an owned member that has no socket; above is removeOwned's.
func (m *Member) letGo(above int64) {
	m.Room.Mu.Lock()
	defer m.Room.Mu.Unlock()
	m.Room.removeOwned(m, above)
}

// erase removes what else there is of a member that others removed from its room.
func (m *Member) erase(ctx context.Context) error {
	if err := m.Room.all.RemoveUser(ctx, m.userEntry()); err != nil {
		return err
	}
	return m.eraseConn(ctx)
}

// eraseConn takes the room out of the connection's record, unless the connection is in
// it again.
func (m *Member) eraseConn(ctx context.Context) error {
	m.Room.Mu.Lock()
	again := m.Room.Owns(m.ConnID)
	m.Room.Mu.Unlock()
	if again {
		return nil
	}
	return m.Room.all.ConnLeave(ctx, m.conn())
}

// RepeatLeave removes a member again whose life has ended. It does not block.
func (ms *Members) RepeatLeave(t replica.Tombstone) {
	ms.CarryOutLater(t.Room, func(ctx context.Context) error { return ms.RepeatLeaveOnce(ctx, t) })
}

// RepeatLeaveOnce is one try.
func (ms *Members) RepeatLeaveOnce(ctx context.Context, t replica.Tombstone) error {
	if err := ms.EndEntries(ctx, t); err != nil {
		return err
	}
	_, err := ms.RemoveMember(ctx, store.Remove{Room: t.Room, ConnID: t.ConnID, Life: t.Life, Reason: t.Reason})
	return err
}

// EndEntries removes what there is of a member that has left beside its record.
func (ms *Members) EndEntries(ctx context.Context, t replica.Tombstone) error {
	err := ms.RemoveUser(ctx, t.UserEntry())
	if err != nil || ms.Owns(t.Room, t.ConnID) { // the connection is in the room again
		return err
	}
	return ms.ConnLeave(ctx, store.Conn{ConnID: t.ConnID, UserID: t.UserID, Room: t.Room, Node: t.Owner})
}
