package presence

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// update writes a member that this node owns and shows it as an update; seq is
// the event's, if it took effect. A write without an answer is repeated until
// there is one, so that it counts once. Called by operations of the member's lane.
func (e *engine) update(ctx context.Context, l *lane, m *membership, next *store.Member) (found store.Outcome, seq int64, err error) {
	put := store.Put{Intent: store.IntentUpdate, Member: *next, Fence: next.Epoch}
	res, err := e.put(ctx, &put, m.room)
	return e.updated(l, m, &put, res, err)
}

// updated is what follows from the store's answer to an update.
func (e *engine) updated(l *lane, m *membership, put *store.Put, res store.PutResult, err error) (store.Outcome, int64, error) {
	if err != nil {
		again := *put
		e.unsettle(l, m.writing(func() store.Put { return again }))
		return 0, 0, err
	}
	m.wrote(res.Outcome, &put.Member)
	return res.Outcome, res.Member.Seq, nil
}

// wrote remembers what stands after a write. Called by operations of the lane.
func (m *membership) wrote(found store.Outcome, next *store.Member) {
	if found == store.Applied || found == store.Repeated {
		m.state = next.State
		m.away.Store(next.Away)
		m.write.Store(next.Write)
	}
}
