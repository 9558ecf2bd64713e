package presence

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// expiry is the store's time after which a write that is sent now shall do
// nothing: when its caller has given up, and nobody waits for it any more.
func (e *engine) expiry(ctx context.Context) int64 {
	left := e.storeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, deadline.Sub(e.clock.Now()))
	}
	return e.storeNow() + left.Milliseconds()
}

// patient makes a step that is repeated until it succeeds wait, before each
// try, until the one before can have no effect any more: what deletes an index
// entry names no epoch, and late it would delete that of a member that came
// back. The first try waits for the store's time after.
func (e *engine) patient(after int64, step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if e.storeNow() <= after {
			return fmt.Errorf("too early behind a write in doubt: %w", store.ErrUnavailable)
		}
		expires := e.expiry(ctx)
		err := step(ctx)
		if err != nil {
			after = expires
		}
		return err
	}
}

// The writes of the indexes and of connections: none takes effect after its
// caller gave up.

func (e *engine) register(ctx context.Context, entry store.Entry) error {
	entry.ExpiresMs = e.expiry(ctx)
	return e.store.Register(ctx, entry)
}

// unregister removes what a node has in the indexes about a member: the member is
// gone, or lives on elsewhere.
func (e *engine) unregister(ctx context.Context, entry store.Entry) error {
	entry.ExpiresMs = e.expiry(ctx)
	return e.store.Unregister(ctx, entry)
}

func (e *engine) connJoin(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = e.expiry(ctx)
	return e.store.ConnJoin(ctx, c)
}

// connLeave takes a room out of the record of an entry's connection.
func (e *engine) connLeave(ctx context.Context, entry store.Entry) error {
	return e.store.ConnLeave(ctx, store.Conn{
		ConnID: entry.ConnID, UserID: entry.UserID, Room: entry.Room, Node: entry.Node, Epoch: entry.Epoch,
		ExpiresMs: e.expiry(ctx),
	})
}

// erase removes what the indexes hold of a member that is gone.
func (e *engine) erase(ctx context.Context, entry store.Entry) error {
	if err := e.connLeave(ctx, entry); err != nil {
		return err
	}
	return e.unregister(ctx, entry)
}
