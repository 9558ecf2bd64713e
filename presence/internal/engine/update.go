package engine

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// update writes a member that this node owns and shows it as an update; seq is
// the event's, if it took effect. A write without an answer is repeated until
// there is one, so that it counts once. Called by operations of the member's executor l.
func (m *ownedMember) update(ctx context.Context, l *serial.Executor, next *store.Member) (found store.Outcome, seq int64, err error) {
	put := store.Put{Intent: store.IntentUpdate, Member: *next, Fence: next.Epoch}
	res, err := m.room.put(ctx, &put)
	return m.updated(l, &put, res, err)
}

// updated is what follows from the store's answer to an update.
func (m *ownedMember) updated(l *serial.Executor, put *store.Put, res store.PutResult, err error) (store.Outcome, int64, error) {
	if err != nil {
		again := *put
		m.room.all.markInDoubt(l, m.retryableWrite(func() store.Put { return again }))
		return 0, 0, err
	}
	m.applied(res.Outcome, &put.Member)
	return res.Outcome, res.Member.Seq, nil
}

// applied takes over the result of a write. Called by operations of the executor.
func (m *ownedMember) applied(found store.Outcome, next *store.Member) {
	if found.TookEffect() {
		m.state = next.State
		m.away.Store(next.Away)
		m.write.Store(next.Write)
	}
}

// put sends a write of a member that this node owns, of which it fills in the
// room, and makes an outcome that should not be an error.
func (r *ownRoom) put(ctx context.Context, p *store.Put) (store.PutResult, error) {
	r.fillPut(ctx, p)
	res, err := store.PutAndWait(ctx, r.all.store, *p)
	return res, expired(res.Outcome, err)
}

// fillPut fills in what a write has of its room.
func (r *ownRoom) fillPut(ctx context.Context, p *store.Put) {
	p.Room, p.From, p.ExpiresMs = r.id, r.position(), r.all.expiry(ctx)
}

// errExpired says that a write came too late to take effect.
var errExpired = fmt.Errorf("write expired on its way: %w", store.ErrUnavailable)

// expired makes an outcome that should not be an error.
func expired(found store.Outcome, err error) error {
	if err == nil && found == store.Expired {
		return errExpired
	}
	return err
}
