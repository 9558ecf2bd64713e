package core

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// endNotice tells the nodes that show a room of a life that ended while the store did not have
// the member: its removal made no event.
type endNotice struct {
	ConnID string       `json:"c"`
	Life   string       `json:"l"`
	Owner  string       `json:"o"`
	Reason store.Reason `json:"w"`
}

// TellEnd tells all nodes that show the room of a life that ended, after a removal that was
// store.Missing. Without that they show a member that left while the store had lost it until
// they stop waiting for its restore.
func (n *Node) TellEnd(ctx context.Context, t replica.Tombstone) error {
	text, err := json.Marshal(endNotice{t.ConnID, t.Life, t.Owner, t.Reason})
	if err != nil {
		return err
	}
	return n.Store.Publish(ctx, t.Room, append([]byte{wire.RoomEnd}, text...))
}

// ParseEnd reads what TellEnd sent, behind its first byte. The tombstone has neither room nor
// user.
func ParseEnd(text []byte) (t replica.Tombstone, err error) {
	var end endNotice
	if err := json.Unmarshal(text, &end); err != nil {
		return t, fmt.Errorf("end of a life: %w", err)
	}
	return replica.Tombstone{ConnID: end.ConnID, Life: end.Life, Owner: end.Owner, Reason: end.Reason}, nil
}
