package presence

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// eventName is the Socket.IO event that carries every Event to clients.
const eventName = "presence:event"

// EventType is what an Event says.
type EventType string

// The types of the wire protocol.
const (
	EventJoin   EventType = "join"
	EventUpdate EventType = "update"
	EventLeave  EventType = "leave"
)

// Status says whether a member has a connection.
type Status string

// The statuses of the wire protocol.
const (
	// StatusOnline: the member has a connection.
	StatusOnline Status = "online"
	// StatusAway: it lost its connection and may still resume.
	StatusAway Status = "away"
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

// Event is one change of a room, as every socket in it hears it.
type Event struct {
	Type   EventType `json:"type"`
	RoomID string    `json:"roomId"`
	UserID string    `json:"userId"`
	ConnID string    `json:"connId"`
	// State is the whole state after the event, a JSON object; nil on leave.
	State json.RawMessage `json:"state"`
	// Time is when it was decided, by the store's clock.
	Time  time.Time `json:"time"`
	Epoch int64     `json:"epoch"`
	// Seq is the room's sequence number after the event, Prev that of the
	// event that was shown before.
	Seq  int64 `json:"seq"`
	Prev int64 `json:"prev"`
	// UserConns is how many connections the user has in the room after it.
	UserConns int `json:"userConns"`
	// Status is set on join and update, Reason on leave.
	Status Status `json:"status,omitempty"`
	Reason Reason `json:"reason,omitempty"`
	// LastSeen is the member's last life sign, when Status is StatusAway. The zero
	// Time means that of the event.
	LastSeen time.Time `json:"lastSeen,omitzero"`

	fresh bool // a join of a member that was not there before
}

// Member is one connection of a user in a room.
type Member struct {
	ConnID string `json:"connId"`
	UserID string `json:"userId"`
	// State is a JSON object; it must not be changed.
	State json.RawMessage `json:"state"`
	// LastSeen is the freshest life sign that this server knows of.
	LastSeen time.Time `json:"lastSeen"`
	Joined   time.Time `json:"joined"`
	Epoch    int64     `json:"epoch"`
	Status   Status    `json:"status"`
}

func statusOf(away bool) Status {
	if away {
		return StatusAway
	}
	return StatusOnline
}

// frameOf encodes an event for the sockets that hear it.
func (e *engine) frameOf(event *Event) frame {
	t := e.texts.get(smallText + len(event.State))
	defer e.texts.put(t)
	c := series.Change{
		Series: event.RoomID, Subject: event.ConnID, Holder: event.UserID,
		Kind: event.changeKind(), Seq: event.Seq, Prev: event.Prev,
	}
	t.b, c.PrevAt, c.PrevLen = appendEvent(t.b, event)
	return e.encode(t.b, c)
}

// changeKind is what the event is to a backlog that is folded.
func (e *Event) changeKind() series.Kind {
	switch {
	case e.Type == EventLeave:
		return series.End
	case e.Type == EventUpdate:
		return series.State
	case e.fresh:
		return series.Begin
	}
	return series.Replace
}

// appendEvent appends the presence:event message: the array of its Socket.IO packet.
// It returns where in it the digits of prev stand, and how many there are.
func appendEvent(dst []byte, e *Event) (text []byte, prevAt, prevLen int) {
	begin := len(dst)
	dst = append(dst, `["`+eventName+`",{"type":"`...)
	dst = append(dst, e.Type...)
	dst = append(dst, `","roomId":`...)
	dst = jsontext.AppendString(dst, e.RoomID)
	dst = append(dst, `,"userId":`...)
	dst = jsontext.AppendString(dst, e.UserID)
	dst = append(dst, `,"connId":`...)
	dst = jsontext.AppendString(dst, e.ConnID)
	dst = append(dst, `,"state":`...)
	if e.Type == EventLeave {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, e.State...)
	}
	dst = appendInt(dst, `,"ts":`, e.Time.UnixMilli())
	dst = appendInt(dst, `,"epoch":`, e.Epoch)
	dst = appendInt(dst, `,"seq":`, e.Seq)
	dst = append(dst, `,"prev":`...)
	prevAt = len(dst)
	dst = strconv.AppendInt(dst, e.Prev, 10)
	prevLen = len(dst) - prevAt
	dst = appendInt(dst, `,"userConns":`, int64(e.UserConns))
	if e.Type == EventLeave {
		dst = append(dst, `,"reason":"`...)
		dst = append(dst, e.Reason...)
	} else {
		dst = append(dst, `,"status":"`...)
		dst = append(dst, e.Status...)
		if !e.LastSeen.IsZero() {
			dst = appendInt(append(dst, '"'), `,"lastSeenMs":`, e.LastSeen.UnixMilli())
			return append(dst, `}]`...), prevAt - begin, prevLen
		}
	}
	return append(dst, `"}]`...), prevAt - begin, prevLen
}

func appendInt(dst []byte, label string, n int64) []byte {
	return strconv.AppendInt(append(dst, label...), n, 10)
}
