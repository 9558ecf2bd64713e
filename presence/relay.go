package presence

import (
	"context"
	"errors"

	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/socketid"
	"github.com/realtime-ai/realtime-message-go/presence/internal/engine"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/sessions"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// relay passes client events on to the other members of the sender's rooms.
type relay struct {
	engine   *engine.Engine
	limits   wire.Limits
	patterns eventname.Patterns // of the events that are relayed
}

// handle relays an event that names its room in its first argument, or goes to
// all rooms of the sender: the way of clients that do not know presence:emit.
func (r relay) handle(sock *sessions.Socket, s *socketio.Socket, m *socketio.Message) {
	a := ackAnswerer{m.Ack()}
	room, err := wire.RelayRoom(m.Arg(0), r.limits)
	if err == nil {
		err = r.queue(sock, s, message{room: room, text: m.Raw(), binary: m.Binary()}, a)
	}
	if err != nil {
		r.engine.Sockets.Refuse(a, err, "relay")
	}
}

// emit handles presence:emit.
func (r relay) emit(sock *sessions.Socket, s *socketio.Socket, m *socketio.Message, a rooms.Acker) {
	p, err := wire.ParseEmit(m.Arg(0), r.limits)
	if err == nil && !r.patterns.Match(p.Event) {
		err = wire.UnknownEvent(p.Event)
	}
	if err == nil {
		err = r.queue(sock, s, message{room: p.RoomID, text: p.Text(), binary: m.Binary(), volatile: p.Volatile}, a)
	}
	if err != nil {
		r.engine.Sockets.Refuse(a, err, "relay")
	}
}

// message is an event to be passed on.
type message struct {
	room     string // "": all rooms of the sender
	text     []byte // the whole message
	binary   [][]byte
	volatile bool
}

// size is the number of bytes that it holds while it waits.
func (m *message) size() int {
	size := len(m.text)
	for _, b := range m.binary {
		size += len(b)
	}
	return size
}

// queue has an event sent and answered when its turn comes. Its own goroutine does the
// sending: the cluster may be slow.
func (r relay) queue(sock *sessions.Socket, s *socketio.Socket, m message, a rooms.Acker) error {
	p, err := socketio.NewEventRaw(s.Namespace().Name(), m.text, m.binary...)
	if err != nil {
		return err
	}
	return sock.Relay(sessions.RelayEvent{
		Room: m.room, Size: m.size(),
		Send: func(ctx context.Context, from []wire.Sender) (sessions.Backlog, error) {
			return r.send(ctx, s, p, from, m.volatile)
		},
	}, a)
}

// send passes an event on to the rooms of those that its sender is there.
func (r relay) send(
	ctx context.Context, s *socketio.Socket, p *socketio.Packet, from []wire.Sender, volatile bool,
) (sessions.Backlog, error) {
	to, addressed := s.Broadcast(), false
	for i := range from {
		name := r.engine.RoomName(from[i].RoomID)
		// A room named like a socket's id has no Socket.IO room: that name would
		// reach the socket.
		if socketid.Is(name) && !s.InRoom(name) {
			continue
		}
		to, addressed = to.ToAs(name, wire.AppendSender(nil, &from[i])), true
	}
	if !addressed {
		return nil, nil
	}
	if volatile {
		to = to.Volatile()
	}
	held, err := to.SendHeld(ctx, p)
	if errors.Is(err, socketio.ErrTooLarge) {
		err = wire.ErrTooMuchUnsent
	}
	if held == nil {
		return nil, err
	}
	return held, err
}
