package engine

import (
	"context"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Location is a room in which a user is, and with which connection.
type Location struct {
	RoomID string      `json:"roomId"`
	ConnID string      `json:"connId"`
	Status wire.Status `json:"status"`
}

// RoomsOf reads where a user is. The index is only a hint, so each entry is looked up. An
// entry without a member is skipped, and not removed: a join of that member may be under way
// on any node.
func (e *Engine) RoomsOf(ctx context.Context, userID string) ([]Location, error) {
	found, err := e.Store.UserMembers(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("presence: rooms of user: %w", err)
	}
	locations := make([]Location, 0, len(found))
	for _, l := range found {
		m, err := e.Stored(ctx, l.Room, l.ConnID)
		if err != nil {
			return nil, fmt.Errorf("presence: rooms of user: %w", err)
		}
		if m != nil && m.UserID == userID {
			locations = append(locations, Location{
				RoomID: l.Room, ConnID: l.ConnID, Status: wire.StatusOf(m.Away),
			})
		}
	}
	return locations, nil
}
