package presence

import (
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Event is one change of a room, as every socket in it hears it.
type Event = wire.Event

// EventType is what an Event says.
type EventType = wire.EventType

// The types of the wire protocol.
const (
	EventJoin   = wire.EventJoin
	EventUpdate = wire.EventUpdate
	EventLeave  = wire.EventLeave
)

// Member is one connection of a user in a room.
type Member = wire.Member

// Status says whether a member has a connection.
type Status = wire.Status

// The statuses of the wire protocol.
const (
	// StatusOnline: the member has a connection.
	StatusOnline = wire.StatusOnline
	// StatusAway: it lost its connection and may still resume.
	StatusAway = wire.StatusAway
)

// Reason says why a member left.
type Reason = store.Reason

// The reasons of the wire protocol.
const (
	// ReasonLeave: it said so, or joined again as another user.
	ReasonLeave = store.ReasonLeave
	// ReasonDisconnect: its connection ended.
	ReasonDisconnect = store.ReasonDisconnect
	// ReasonTimeout: its connection went silent.
	ReasonTimeout = store.ReasonTimeout
	// ReasonNodeLost: its server died.
	ReasonNodeLost = store.ReasonNodeLost
	// ReasonShutdown: its server was stopped.
	ReasonShutdown = store.ReasonShutdown
	// ReasonKicked: Runtime.Kick removed it.
	ReasonKicked = store.ReasonKicked
)
