package owned

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Update writes a member that this node owns and shows it as an update; seq is
// the event's, if it took effect. A write without an answer is repeated until
// there is one, so that it counts once. Called by operations of the member's executor l.
func (m *Member) Update(ctx context.Context, l *serial.Executor, next *store.Member) (found store.Outcome, seq int64, err error) {
	put := store.Put{Intent: store.IntentUpdate, Member: *next, Fence: next.Epoch}
	res, err := m.Room.put(ctx, &put)
	return m.Updated(l, &put, res, err)
}

// Updated is what follows from the store's answer to an update.
func (m *Member) Updated(l *serial.Executor, put *store.Put, res store.PutResult, err error) (store.Outcome, int64, error) {
	if err != nil {
		again := *put
		m.Room.all.MarkInDoubt(l, m.retryableWrite(func() store.Put { return again }))
		return 0, 0, err
	}
	m.Applied(res.Outcome, &put.Member)
	return res.Outcome, res.Member.Seq, nil
}

// Applied takes over the result of a write. Called by operations of the executor.
func (m *Member) Applied(found store.Outcome, next *store.Member) {
	if found.TookEffect() {
		m.state = next.State
		m.Away.Store(next.Away)
		m.write.Store(next.Write)
	}
}

// put sends a write of a member that this node owns, of which it fills in the
// room, and makes an outcome that should not be an error.
func (r *Room) put(ctx context.Context, p *store.Put) (store.PutResult, error) {
	r.FillPut(ctx, p)
	res, err := store.PutAndWait(ctx, r.all.Store, *p)
	return res, core.Expired(res.Outcome, err)
}

// FillPut fills in what a write has of its room.
func (r *Room) FillPut(ctx context.Context, p *store.Put) {
	p.Room, p.From, p.ExpiresMs = r.ID, r.Position(), r.all.Expiry(ctx)
}

// Merge is the member's state after a patch; nil if that changes nothing, or
// cannot be. An operation of the executor.
func (m *Member) Merge(d wire.Edit) ([]byte, error) {
	state, changed, err := jsontext.Merge(m.state, d.Patch, d.Remove)
	switch most := m.Room.all.Limits.StateBytes; {
	case err != nil:
		return nil, wire.Invalid("patchState: %v.", err)
	case changed && len(state) > most:
		return nil, wire.StateTooLarge(len(state), most)
	case !changed:
		return nil, nil
	}
	return state, nil
}

// WithState is the record of the member with another state.
func (m *Member) WithState(state []byte) store.Member {
	next := m.Record()
	next.State = state
	next.Away = false // a client that writes is not away
	next.Write++
	return next
}

// WriteState stores a new state of a member and returns the event's seq. One that the
// store lost meanwhile is restored first. An operation of the member's executor l.
func (m *Member) WriteState(ctx context.Context, l *serial.Executor, state []byte) (seq int64, err error) {
	for {
		next := m.WithState(state)
		found, seq, err := m.Update(ctx, l, &next)
		if err != nil || found.TookEffect() {
			return seq, err
		}
		if err := m.ResolveMismatch(ctx, l); err != nil {
			return 0, err
		}
	}
}

// WriteUserSoon has the user's entry of the member written again. It does not block.
func (m *Member) WriteUserSoon() {
	if l := m.writerNow(); l != nil {
		m.Room.all.CarryOut(l, func(ctx context.Context) error { return m.writeUser(ctx, l) })
	}
}

// tryWriteUser is WriteUserSoon with one try, if nothing is in doubt: the member's next write
// must not wait for the users, which may lie on a part of the store that does not answer. The
// entries of all users are written again every 20 min.
func (m *Member) tryWriteUser() {
	ms, l := m.Room.all, m.writerNow()
	if l == nil {
		return
	}
	ms.LeavePool.Schedule(l, func(time.Time) {
		if l.HasInDoubt() {
			return
		}
		ctx, cancel := context.WithTimeout(ms.Ctx, userTryTime)
		defer cancel()
		if err := m.writeUser(ctx, l); err != nil {
			ms.Throttled.Warn("entry of a user not written; tried again within 20 min", "room", m.Room.ID, "userId", m.UserID, "error", err)
		}
	})
}

// userTryTime bounds one try, since requests of the member wait behind it.
const userTryTime = 200 * time.Millisecond

func (m *Member) writerNow() *serial.Executor {
	m.Room.Mu.Lock()
	defer m.Room.Mu.Unlock()
	return m.Writer()
}

// writeUser writes the user's entry of a member, if the store has the member. It looks first:
// this node may have been frozen while the member was resumed and left elsewhere, and nobody
// would remove an entry that it writes after that. An operation of the member's executor l; one
// of an executor that is not the member's any more does nothing.
func (m *Member) writeUser(ctx context.Context, l *serial.Executor) error {
	ms, r := m.Room.all, m.Room
	r.Mu.Lock()
	ours := r.Owned[m.ConnID] == m && m.Writer() == l
	entry := m.userEntry()
	r.Mu.Unlock()
	if !ours {
		return nil
	}
	stands, err := ms.Stored(ctx, r.ID, m.ConnID)
	if err != nil || stands == nil || stands.Life != entry.Life {
		return err
	}
	return ms.AddUser(ctx, entry)
}

// GiveUserBack writes the user's entry again of a member that lives on in another node's hands,
// after a leave or a claimant has removed it. That node may be removing the member at this moment,
// and be past the entry. So once such a leave has ended, or begins again, the entry is looked at, and
// goes if the member is gone.
func (ms *Members) GiveUserBack(ctx context.Context, u store.UserEntry) error {
	err := ms.AddUser(ctx, u)
	ended := ms.Expiry(ctx) + ms.StoreTimeout.Milliseconds()
	ms.CarryOutLater(u.Room, ms.After(ended, func(ctx context.Context) error {
		stands, err := ms.Stored(ctx, u.Room, u.ConnID)
		if err != nil || stands != nil && stands.Life == u.Life {
			return err
		}
		return ms.RemoveUser(ctx, u)
	}))
	return err
}
