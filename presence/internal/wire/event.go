package wire

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

// The statuses of the wire protocol; package presence says what they mean.
const (
	StatusOnline Status = "online"
	StatusAway   Status = "away"
)

// StatusOf is the status of a member that is shown away, or is not.
func StatusOf(away bool) Status {
	if away {
		return StatusAway
	}
	return StatusOnline
}

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
	Status Status       `json:"status,omitempty"`
	Reason store.Reason `json:"reason,omitempty"`
	// LastSeen is the member's last life sign, when Status is StatusAway. The zero
	// Time means that of the event.
	LastSeen time.Time `json:"lastSeen,omitzero"`
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

// Shown is an event together with what only the server knows of it.
type Shown struct {
	Event
	Fresh bool // a join of a member that was not there before
}

// kind is what the event is to a backlog that is folded.
func (e *Shown) kind() series.Kind {
	switch {
	case e.Type == EventLeave:
		return series.End
	case e.Type == EventUpdate:
		return series.State
	case e.Fresh:
		return series.Begin
	}
	return series.Replace
}

// AppendEvent appends the presence:event message: the array of its Socket.IO packet. The
// change says what it is to a backlog that is folded, and where in the message the digits
// of prev stand.
func AppendEvent(dst []byte, e *Shown) (text []byte, c series.Change) {
	c = series.Change{
		Series: e.RoomID, Subject: e.ConnID, Holder: e.UserID, Kind: e.kind(), Seq: e.Seq, Prev: e.Prev,
	}
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
	c.PrevAt = len(dst) - begin
	dst = strconv.AppendInt(dst, e.Prev, 10)
	c.PrevLen = len(dst) - begin - c.PrevAt
	dst = appendInt(dst, `,"userConns":`, int64(e.UserConns))
	if e.Type == EventLeave {
		dst = append(dst, `,"reason":"`...)
		dst = append(dst, e.Reason...)
	} else {
		dst = append(dst, `,"status":"`...)
		dst = append(dst, e.Status...)
		if !e.LastSeen.IsZero() {
			dst = appendInt(append(dst, '"'), `,"lastSeenMs":`, e.LastSeen.UnixMilli())
			return append(dst, `}]`...), c
		}
	}
	return append(dst, `"}]`...), c
}
