package presence

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// kickTries is how often a kick follows a member that moves meanwhile.
const kickTries = 4

// kick removes the members that t names. Their owners learn it from the event
// and clean up the indexes: only the owner writes those.
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
			res, err := e.store.Remove(ctx, store.Remove{
				Room: t.RoomID, ConnID: m.ConnID, Epoch: m.Epoch, Reason: ReasonKicked, ExpiresMs: e.expires(),
			})
			if err != nil {
				return removed, fmt.Errorf("presence: kick: %w", err)
			}
			switch res.Outcome {
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
