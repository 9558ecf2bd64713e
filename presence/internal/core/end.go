package core

import (
	"context"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// TellEnd tells all nodes that show the room of a life that ended, after a removal that was
// store.Missing. Without that they show a member that left while the store had lost it until
// they stop waiting for its restore.
func (n *Node) TellEnd(ctx context.Context, t replica.Tombstone) error {
	text, err := wire.EndNotice{ConnID: t.ConnID, Life: t.Life, Owner: t.Owner, Reason: t.Reason}.Text()
	if err != nil {
		return err
	}
	return n.Store.Publish(ctx, t.Room, text)
}
