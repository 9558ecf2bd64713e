package wire

import (
	"encoding/json"
	"fmt"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// EndNotice tells the nodes that show a room of a life that ended while the store did not have
// the member: its removal made no event. It goes out on the channel of the room.
type EndNotice struct {
	ConnID string       `json:"c"`
	Life   string       `json:"l"`
	Owner  string       `json:"o"`
	Reason store.Reason `json:"w"`
}

// DisconnectNotice tells the owner of a member that the kick which follows must also disconnect
// the socket: the event that removes the member has no field for that. It goes to all nodes.
type DisconnectNotice struct {
	Room   string `json:"r"`
	ConnID string `json:"c"`
	Epoch  int64  `json:"e"`
}

// Text is the notice as it is sent, behind its first byte, RoomEnd.
func (n EndNotice) Text() ([]byte, error) { return notice(RoomEnd, n) }

// Text is the notice as it is sent, behind its first byte, NodeDisconnect.
func (n DisconnectNotice) Text() ([]byte, error) { return notice(NodeDisconnect, n) }

func notice[T any](kind byte, n T) ([]byte, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("write a notice of kind %d: %w", kind, err)
	}
	return append([]byte{kind}, text...), nil
}

// ParseEndNotice reads what EndNotice.Text wrote, without its first byte.
func ParseEndNotice(text []byte) (n EndNotice, err error) {
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("read the notice of an end: %w", err)
	}
	return n, nil
}

// ParseDisconnectNotice reads what DisconnectNotice.Text wrote, without its first byte.
func ParseDisconnectNotice(text []byte) (n DisconnectNotice, err error) {
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("read the notice of a disconnect: %w", err)
	}
	return n, nil
}
