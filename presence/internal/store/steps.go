package store

import (
	"context"
	"fmt"
)

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
