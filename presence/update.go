package presence

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// update writes a member that this node owns and shows it as an update. A
// write without an answer is repeated until there is one, so that it counts
// once. Called by operations of the member's lane.
func (e *engine) update(ctx context.Context, l *lane, m *membership, next store.Member) (store.PutResult, error) {
	put := store.Put{Intent: store.IntentUpdate, Member: next, Fence: next.Epoch}
	res, err := e.put(ctx, put, m.room)
	if err != nil {
		e.unsettle(l, m.writing(func() store.Put { return put }))
		return res, err
	}
	m.wrote(res, next)
	return res, nil
}

// wrote remembers what stands after a write. Called by operations of the lane.
func (m *membership) wrote(res store.PutResult, next store.Member) {
	if res.Outcome == store.Applied || res.Outcome == store.Repeated {
		m.state = next.State
		m.write.Store(next.Write)
	}
}
