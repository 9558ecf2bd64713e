package presence

import "github.com/realtime-ai/realtime-message-go/presence/internal/store"

// The first byte of what nodes send each other.
const (
	castBroadcast = 1 // then the length of the sender's id, the id, and a broadcast of Socket.IO
	castInquiry   = 2 // then a list of departureText, as JSON
	castAnswer    = 3 // the same
	castCut       = 4 // then a cutText, as JSON
)

// nodesReceiver hears what is said to all nodes.
type nodesReceiver struct{ e *engine }

// HandleEvent implements store.Receiver; there are none here.
func (nodesReceiver) HandleEvent(store.Event) {}

// HandleCast implements store.Receiver; broadcasts are the cluster adapter's.
func (n nodesReceiver) HandleCast(_ string, payload []byte) {
	if len(payload) == 0 {
		return
	}
	switch payload[0] {
	case castInquiry, castAnswer:
		n.e.heardDepartures(payload[0], payload[1:])
	case castCut:
		n.e.heardCut(payload[1:])
	}
}

// HandleInterrupt implements store.Receiver.
func (n nodesReceiver) HandleInterrupt(_ string, lost bool) {
	if lost {
		n.e.mayHaveLost()
	}
}
