package store

import (
	"context"
	"fmt"
)

// PutWaiter is told how a put ended. It must not block.
type PutWaiter interface {
	// PutDone gets the result. The store calls it once for each put, from a goroutine
	// of its own or from StartPut, and holds no lock meanwhile.
	PutDone(res PutResult, err error)
}

// PutAndWait is StartPut for callers that wait: it returns what the waiter is told, and
// so up to some 50 ms after ctx ended. When ctx has ended before it does nothing.
func PutAndWait(ctx context.Context, s Store, p Put) (PutResult, error) {
	if err := ctx.Err(); err != nil {
		return PutResult{}, fmt.Errorf("put member %q in room %q: %w: %w", p.Member.ConnID, p.Room, ErrUnavailable, err)
	}
	w := make(waiter, 1)
	s.StartPut(ctx, &p, w)
	a := <-w
	return a.res, a.err
}

// waiter is a PutWaiter that hands on what it is told.
type waiter chan answer

type answer struct {
	res PutResult
	err error
}

// PutDone implements PutWaiter.
func (w waiter) PutDone(res PutResult, err error) { w <- answer{res, err} }

// Steps is Enter of a store, step by step: for stores that cannot do it in one.
// It may be called at any time, blocks as its calls do, and returns the error of the
// first that fails.
func Steps(ctx context.Context, s Store, q EnterRequest) (PutResult, error) {
	if q.AddRoom {
		if err := s.AddRoom(ctx, q.NodeRoom()); err != nil {
			return PutResult{}, err
		}
	}
	res, err := PutAndWait(ctx, s, q.Put)
	if err == nil && res.Outcome == Expired {
		return PutResult{}, fmt.Errorf("put member %q in room %q: expired on its way: %w", q.Member.ConnID, q.Room, ErrUnavailable)
	}
	if err != nil || !res.Outcome.TookEffect() {
		return res, err
	}
	if err := s.AddUser(ctx, q.UserEntry()); err != nil {
		return res, err
	}
	return res, s.ConnJoin(ctx, q.Conn(q.SeenMs))
}

// NodeRoom is the entry of the room among those of the member's owner.
func (p *Put) NodeRoom() NodeRoom {
	return NodeRoom{Node: p.Member.Owner, Room: p.Room, ExpiresMs: p.ExpiresMs}
}

// UserEntry is the entry of the member's user.
func (p *Put) UserEntry() UserEntry {
	m := &p.Member
	return UserEntry{UserID: m.UserID, Room: p.Room, ConnID: m.ConnID, Life: m.Life, ExpiresMs: p.ExpiresMs}
}

// Conn is the room in the record of the member's connection, which was seen at a time.
func (p *Put) Conn(seenMs int64) Conn {
	m := &p.Member
	return Conn{ConnID: m.ConnID, UserID: m.UserID, Room: p.Room, Node: m.Owner, Epoch: m.Epoch, SeenMs: seenMs, ExpiresMs: p.ExpiresMs}
}
