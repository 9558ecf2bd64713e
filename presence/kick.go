package presence

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// kickTries is how often a kick follows a member that moves meanwhile.
const kickTries = 4

// kick removes the members that t names. The removal's event tells their owners.
func (e *engine) kick(ctx context.Context, t KickTarget) (int, error) {
	removed := 0
	for range kickTries {
		loaded, err := e.store.Load(ctx, t.RoomID)
		if err != nil {
			return removed, fmt.Errorf("presence: kick: %w", err)
		}
		moved := false
		for i := range loaded.Members {
			m := &loaded.Members[i]
			if m.ConnID != t.ConnID && (t.UserID == "" || m.UserID != t.UserID) {
				continue
			}
			outcome, err := e.kickOne(ctx, t.RoomID, m)
			if err != nil {
				return removed, fmt.Errorf("presence: kick: %w", err)
			}
			switch outcome {
			case store.Applied:
				removed++
			case store.Fenced:
				moved = true
			}
		}
		if !moved {
			break
		}
	}
	return removed, nil
}

func (e *engine) kickOne(ctx context.Context, room string, m *store.Member) (store.Outcome, error) {
	res, err := e.store.Remove(ctx, store.Remove{
		Room: room, ConnID: m.ConnID, Epoch: m.Epoch, Reason: ReasonKicked, ExpiresMs: e.expires(),
	})
	if err != nil || res.Outcome != store.Applied {
		return res.Outcome, err
	}
	err = e.store.ConnLeave(ctx, store.Conn{ConnID: m.ConnID, UserID: m.UserID, Room: room, Node: m.Owner, Epoch: m.Epoch})
	if err == nil {
		err = e.store.Unregister(ctx, store.Entry{Node: m.Owner, Room: room, ConnID: m.ConnID, UserID: m.UserID, Epoch: m.Epoch})
	}
	return res.Outcome, err
}
