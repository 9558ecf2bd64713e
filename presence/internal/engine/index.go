package engine

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// expiry is the time of the store after which a write that is sent now must do nothing,
// since its caller has given up by then.
func (e *Node) expiry(ctx context.Context) int64 { return e.life.Expiry(ctx) }

// addUser writes an entry of the users' index. Like the other writes here it does not take
// effect after its caller gave up.
func (e *Node) addUser(ctx context.Context, u store.UserEntry) error {
	u.ExpiresMs = e.expiry(ctx)
	return e.store.AddUser(ctx, u)
}

// removeUser removes an entry of the users' index.
func (e *Node) removeUser(ctx context.Context, u store.UserEntry) error {
	u.ExpiresMs = e.expiry(ctx)
	return e.store.RemoveUser(ctx, u)
}

// connJoin adds a room to a connection's record.
func (e *Node) connJoin(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = e.expiry(ctx)
	return e.store.ConnJoin(ctx, c)
}

// connLeave takes a room out of a connection's record.
func (e *Node) connLeave(ctx context.Context, c store.Conn) error {
	c.ExpiresMs = e.expiry(ctx)
	return e.store.ConnLeave(ctx, c)
}

// stored reads one member of a room; nil: it does not stand.
func (e *Node) stored(ctx context.Context, room, connID string) (*store.Member, error) {
	found, err := e.store.LoadMembers(ctx, room, []string{connID})
	if err != nil || len(found.Members) == 0 {
		return nil, err
	}
	return &found.Members[0], nil
}
