package store

import (
	"context"
	"fmt"
)

// Sharded is a Store whose records may lie on several servers, so that calls about
// some rooms can stall while others are answered. It is optional: a store without it
// is taken for one that stalls as a whole.
type Sharded interface {
	Store
	// Sharded reports whether that is so. It never changes.
	Sharded() bool
}

// Starter is a Store that can write without a goroutine that waits for it, which
// costs less. It is optional.
type Starter interface {
	Store
	// StartPut is Put that does not block. The waiter is told once what Put would
	// have returned: by StartPut itself or later, some 50 ms after the context
	// ended at the latest. The store keeps p, which nobody may change, until then.
	StartPut(ctx context.Context, p *Put, w PutWaiter)
}

// PutWaiter is told how a write ended. It must not block.
type PutWaiter interface {
	// PutDone gets what Put returns. The store calls it once for each write, from a
	// goroutine of its own or from StartPut, and holds no lock meanwhile.
	PutDone(res PutResult, err error)
}

// Steps is Enter of a store, step by step: for stores that cannot do it in one.
// It may be called at any time, blocks as its three calls do, and returns the
// error of the first that fails.
func Steps(ctx context.Context, s Store, p Put, seenMs int64) (PutResult, error) {
	m := &p.Member
	err := s.Register(ctx, Entry{
		Node: m.Owner, Room: p.Room, ConnID: m.ConnID, UserID: m.UserID, Epoch: m.Epoch, Life: m.Life, ExpiresMs: p.ExpiresMs,
	})
	if err != nil {
		return PutResult{}, err
	}
	res, err := s.Put(ctx, p)
	if err == nil && res.Outcome == Expired {
		return PutResult{}, fmt.Errorf("put member %q in room %q: expired on its way: %w", m.ConnID, p.Room, ErrUnavailable)
	}
	if err != nil || res.Outcome != Applied && res.Outcome != Repeated {
		return res, err
	}
	return res, s.ConnJoin(ctx, Conn{
		ConnID: m.ConnID, UserID: m.UserID, Room: p.Room, Node: m.Owner, Epoch: m.Epoch, SeenMs: seenMs, ExpiresMs: p.ExpiresMs,
	})
}
