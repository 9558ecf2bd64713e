package wire

import (
	"bytes"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// Emit is a presence:emit. Args is borrowed from the payload.
type Emit struct {
	RoomID   string
	Event    string
	Args     []byte // a JSON array; nil: left out
	Volatile bool
}

// ParseEmit reads the payload of a presence:emit.
func ParseEmit(payload []byte, l Limits) (p Emit, err error) {
	err = fields(payload, func(key, value []byte) (err error) {
		switch {
		case jsontext.KeyIs(key, "roomId"):
			p.RoomID, err = parseID("roomId", value, l)
		case jsontext.KeyIs(key, "event"):
			p.Event, err = parseName("event", value)
		case jsontext.KeyIs(key, "args"):
			p.Args, err = parseArray("args", value)
		case jsontext.KeyIs(key, "volatile"):
			p.Volatile, err = parseBool("volatile", value)
		}
		return err
	})
	switch {
	case err != nil:
	case p.RoomID == "":
		err = Invalid("roomId is missing.")
	case p.Event == "":
		err = Invalid("event is missing.")
	}
	return p, err
}

// Text is the event as a message of its own.
func (p *Emit) Text() []byte {
	text := append(make([]byte, 0, len(p.Event)+len(p.Args)+4), '[')
	text = jsontext.AppendString(text, p.Event)
	if args := bytes.TrimLeft(p.Args, "[ \t\r\n"); len(args) > 1 || len(args) == 1 && args[0] != ']' {
		return append(append(text, ','), p.Args[1:]...)
	}
	return append(text, ']')
}

// RelayRoom is the room that an event's first argument names; "": none.
func RelayRoom(first []byte, l Limits) (room string, err error) {
	if len(first) == 0 || first[0] != '{' {
		return "", nil
	}
	err = fields(first, func(key, value []byte) (err error) {
		if jsontext.KeyIs(key, "roomId") {
			room, err = parseID("roomId", value, l)
		}
		return err
	})
	return room, err
}

// Sender says who sends a relayed event to a room, and when, in Unix ms of the store's
// clock.
type Sender struct {
	ConnID, UserID, RoomID string
	AtMs                   int64
}

// AppendSender appends the object that a relayed event brings to sockets which asked who
// sends it.
func AppendSender(dst []byte, s *Sender) []byte {
	dst = append(dst, `{"connId":`...)
	dst = jsontext.AppendString(dst, s.ConnID)
	dst = append(dst, `,"userId":`...)
	dst = jsontext.AppendString(dst, s.UserID)
	dst = append(dst, `,"roomId":`...)
	dst = jsontext.AppendString(dst, s.RoomID)
	return append(appendInt(dst, `,"ts":`, s.AtMs), '}')
}
