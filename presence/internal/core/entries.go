package core

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// Expiry is the time of the store after which a write that is sent now must do nothing,
// since its caller has given up by then.
func (n *Node) Expiry(ctx context.Context) int64 { return n.Life.Expiry(ctx) }

// AddUser writes an entry of the users' index. Like the other writes here it does not take
// effect after its caller gave up.
func (n *Node) AddUser(ctx context.Context, u store.UserEntry) error {
	u.ExpiresMs = n.Expiry(ctx)
	return n.Store.AddUser(ctx, u)
}

// RemoveUser removes an entry of the users' index.
func (n *Node) RemoveUser(ctx context.Context, u store.UserEntry) error {
	u.ExpiresMs = n.Expiry(ctx)
	return n.Store.RemoveUser(ctx, u)
}

// ConnJoin adds a room to a connection's record.
func (n *Node) ConnJoin(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = n.Expiry(ctx)
	return n.Store.ConnJoin(ctx, c)
}

// ConnLeave takes a room out of a connection's record.
func (n *Node) ConnLeave(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = n.Expiry(ctx)
	return n.Store.ConnLeave(ctx, c)
}

// Stored reads one member of a room; nil: it does not stand.
func (n *Node) Stored(ctx context.Context, room, connID string) (*store.Member, error) {
	found, err := n.Store.LoadMembers(ctx, room, []string{connID})
	if err != nil || len(found.Members) == 0 {
		return nil, err
	}
	return &found.Members[0], nil
}

// RemoveMember removes a member from its room.
func (n *Node) RemoveMember(ctx context.Context, q store.Remove) (store.Outcome, error) {
	q.ExpiresMs = n.Expiry(ctx)
	outcome, err := n.Store.Remove(ctx, q)
	return outcome, Expired(outcome, err)
}

// ErrExpired says that a write came too late to take effect.
var ErrExpired = fmt.Errorf("write expired on its way: %w", store.ErrUnavailable)

// Expired returns the error of a write, and ErrExpired for one that came too late: callers that
// need no such outcome get an error for it.
func Expired(found store.Outcome, err error) error {
	if err == nil && found == store.Expired {
		return ErrExpired
	}
	return err
}
