package owned

import (
	"context"

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
	ms := m.Room.all
	m.Room.Mu.Lock()
	l := m.Writer()
	m.Room.Mu.Unlock()
	if l != nil {
		ms.CarryOut(l, m.writeUser)
	}
}

// writeUser writes the user's entry of a member, if the store has the member. It looks first:
// this node may have been frozen while the member was resumed and left elsewhere, and nobody
// would remove an entry that it writes after that. An operation of the member's executor.
func (m *Member) writeUser(ctx context.Context) error {
	ms, r := m.Room.all, m.Room
	if !r.isOwn(m) {
		return nil
	}
	stands, err := ms.Stored(ctx, r.ID, m.ConnID)
	if err != nil || stands == nil || stands.Life != m.Life {
		return err
	}
	return ms.AddUser(ctx, m.userEntry())
}
