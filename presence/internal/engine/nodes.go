package engine

import (
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// nodeMessages receives the messages to all nodes.
type nodeMessages struct{ e *Engine }

// HandleEvent implements store.Receiver; there are none here.
func (nodeMessages) HandleEvent(store.Event) {}

// HandleCast implements store.Receiver; broadcasts are the cluster adapter's.
func (n nodeMessages) HandleCast(_ string, payload []byte) {
	if len(payload) == 0 {
		return
	}
	if payload[0] == wire.NodeDisconnect {
		n.e.handleDisconnectNotice(payload[1:])
	}
}

// HandleInterrupt implements store.Receiver.
func (n nodeMessages) HandleInterrupt(_ string, lost bool) {
	if lost {
		n.e.onPossibleDataLoss()
	}
}
