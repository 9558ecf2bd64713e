package presence

import (
	"github.com/realtime-ai/realtime-message-go/presence/internal/engine"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
)

// KickTarget says what to remove from which room: one connection, or all connections of a
// user. RoomID and one of the other two are required.
type KickTarget = engine.KickTarget

// Location is a room in which a user is, and with which connection.
type Location = engine.Location

// Subscription is an interest in the events of a room; see Runtime.Subscribe.
type Subscription = rooms.Subscription
