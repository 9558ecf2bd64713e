package presence

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/presence/internal/engine"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/sessions"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// sockets finds the sessions.Socket of a Socket.IO socket.
var sockets = socketio.NewKey[*sessions.Socket]()

// MemberOf returns the member that a socket is in a room, and false if it is in
// none there. Its ConnID is not the socket's id after a resume. It may be called
// from any goroutine, does not block, and answers for sockets of this process.
func MemberOf(s *socketio.Socket, roomID string) (Member, bool) {
	sock, ok := sockets.Get(s)
	if !ok {
		return Member{}, false
	}
	return sock.MemberOf(roomID)
}

// binding wires an engine into a Socket.IO namespace.
type binding struct {
	engine    *engine.Engine
	authorize func(ctx context.Context, s *socketio.Socket, r JoinRequest) error
	relay     relay
	log       *slog.Logger
}

// bind registers the handlers of the protocol. They all run inline, on the goroutine that reads
// the connection: a heartbeat is answered there. The engine never blocks them, but for relayed
// events (presence:emit, RelayEvents): those of a client wait while their receivers are behind.
func bind(e *engine.Engine, ns *socketio.Namespace, o Options) *binding {
	patterns, _ := eventname.Parse(o.RelayEvents) // checked by withDefaults
	b := &binding{engine: e, authorize: o.Authorize, relay: relay{e, o.settings().Limits, patterns}, log: o.Logger}
	ns.OnConnect(func(_ context.Context, s *socketio.Socket) { b.connect(s) })
	ns.OnIdentify(func(s *socketio.Socket) string {
		if sock, ok := sockets.Get(s); ok {
			return sock.Users()
		}
		return ""
	})
	// Not OnDisconnect: a handler of the application that is slow to return must
	// not keep a member that is gone in its rooms.
	ns.OnDisconnecting(func(s *socketio.Socket, reason socketio.Reason) {
		if sock, ok := sockets.Get(s); ok {
			sock.Close(disconnectReason(reason))
		}
	})
	ns.OnInline("presence:join", b.handle(func(sock *sessions.Socket, s *socketio.Socket, payload []byte, a rooms.Acker) {
		sock.Join(payload, b.authorizer(s), a)
	}))
	ns.OnInline("presence:heartbeat", b.handle(func(sock *sessions.Socket, _ *socketio.Socket, payload []byte, a rooms.Acker) {
		sock.Heartbeat(payload, a)
	}))
	ns.OnInline("presence:leave", b.handle(func(sock *sessions.Socket, _ *socketio.Socket, payload []byte, a rooms.Acker) {
		sock.Leave(payload, a)
	}))
	ns.OnInline("presence:sync", b.handle(func(sock *sessions.Socket, _ *socketio.Socket, payload []byte, a rooms.Acker) {
		sock.Sync(payload, a)
	}))
	ns.OnInline("presence:members", b.handle(func(sock *sessions.Socket, _ *socketio.Socket, payload []byte, a rooms.Acker) {
		sock.Members(payload, a)
	}))
	ns.OnInline("presence:emit", b.find(func(sock *sessions.Socket, s *socketio.Socket, m *socketio.Message, a rooms.Acker) {
		b.relay.emit(sock, s, m, a)
	}))
	ns.WrapAny(func(ctx context.Context, s *socketio.Socket, m *socketio.Message, next socketio.Handler) error {
		sock, ok := sockets.Get(s)
		switch {
		case ok && b.relay.patterns.Match(m.Event()):
			b.relay.handle(sock, s, m)
		case next != nil && !eventname.Presence(m.Event()):
			return next(ctx, s, m)
		default:
			b.unhandled(s, m, o.RefuseUnknown)
		}
		return nil
	})
	return b
}

// unhandled answers an event that has no handler, so that its client does not wait for an
// acknowledgement in vain. Requests of presence, metadata and storage are always answered,
// since some clients send those. Others only if the application has no handlers that might
// be registered later.
func (b *binding) unhandled(s *socketio.Socket, m *socketio.Message, refuse bool) {
	event := m.Event()
	b.log.Debug("event without a handler", "event", wire.Clipped(event), "socket", s.ID())
	var refused *Error
	switch {
	case strings.HasPrefix(event, "metadata:"), strings.HasPrefix(event, "storage:"):
		refused = wire.Unsupported(event)
	case refuse, eventname.Presence(event):
		refused = wire.UnknownEvent(event)
	default:
		return
	}
	if a := (ackAnswerer{m.Ack()}); a.Wanted() {
		a.Answer(wire.AppendRefusal(nil, refused))
	}
}

// connect makes a socket known to the engine. The socket may end meanwhile: then either
// OnDisconnecting finds the value that is set here, or the check below sees that it has
// ended.
func (b *binding) connect(s *socketio.Socket) *sessions.Socket {
	sock := b.engine.Sockets.Connect(&socketPeer{s})
	sockets.Set(s, sock)
	if !s.Connected() {
		sock.Close(ReasonDisconnect, false) // it is in no room yet
	}
	return sock
}

// find adapts a request of the engine to a Socket.IO handler.
func (b *binding) find(f func(sock *sessions.Socket, s *socketio.Socket, m *socketio.Message, a rooms.Acker)) socketio.Handler {
	return func(_ context.Context, s *socketio.Socket, m *socketio.Message) error {
		sock, ok := sockets.Get(s)
		if !ok { // connected before Init
			sock = b.connect(s)
		}
		f(sock, s, m, ackAnswerer{m.Ack()})
		return nil
	}
}

// handle is find for a request whose payload is the first argument and that takes no
// attachments: their placeholders in the JSON would be stored as data.
func (b *binding) handle(f func(sock *sessions.Socket, s *socketio.Socket, payload []byte, a rooms.Acker)) socketio.Handler {
	return b.find(func(sock *sessions.Socket, s *socketio.Socket, m *socketio.Message, a rooms.Acker) {
		if len(m.Binary()) > 0 {
			a.Answer(wire.AppendRefusal(nil, wire.ErrAttachments))
			return
		}
		f(sock, s, m.Arg(0), a)
	})
}

// authorizer is Options.Authorize for one socket; nil: everybody may join.
func (b *binding) authorizer(s *socketio.Socket) sessions.Authorizer {
	if b.authorize == nil {
		return nil
	}
	return func(ctx context.Context, r JoinRequest) error { return b.authorize(ctx, s, r) }
}

// disconnectReason translates the end of a connection into a reason, and reports whether the client
// ended it cleanly.
func disconnectReason(reason socketio.Reason) (Reason, bool) {
	switch reason {
	case engineio.ReasonPingTimeout:
		return ReasonTimeout, false
	case engineio.ReasonShutdown:
		return ReasonShutdown, false
	case socketio.ReasonClientDisconnect, socketio.ReasonServerDisconnect:
		return ReasonDisconnect, true
	}
	return ReasonDisconnect, false
}

// ackAnswerer answers through a Socket.IO acknowledgement.
type ackAnswerer struct{ ack socketio.Ack }

func (a ackAnswerer) Answer(ack []byte) {
	_ = a.ack.SendTrusted(ack, nil, nil) // a client that is gone needs no answer
}

func (a ackAnswerer) AnswerShared(head []byte, text rooms.SharedBody, tail []byte) bool {
	body, ok := text.(*engineio.Body)
	return !ok || !errors.Is(a.ack.SendTrusted(head, body, tail), socketio.ErrBusy)
}

func (a ackAnswerer) Wanted() bool { return a.ack.Wanted() }

// encoderFor makes the frames of a namespace, which are packets.
func encoderFor(namespace string) func(event []byte, c series.Change) rooms.Frame {
	return func(event []byte, c series.Change) rooms.Frame {
		return socketio.NewTrustedChange(namespace, event, c)
	}
}

// socketPeer is a Socket.IO socket as the engine sees it: a sessions.Conn.
type socketPeer struct{ s *socketio.Socket }

func (p *socketPeer) ID() string { return p.s.ID() }

func (p *socketPeer) Deliver(f rooms.Frame) {
	packet, ok := f.(*socketio.Packet)
	if !ok {
		return
	}
	// A socket that has gone gets nothing. If the event is too large to send now, the
	// client would miss it without noticing: closing the transport makes it come back and
	// join again.
	if errors.Is(p.s.Send(packet), socketio.ErrTooLarge) {
		p.s.CloseTransport(engineio.ReasonSlowConsumer)
	}
}

func (p *socketPeer) ExpectSender(a rooms.Acker) rooms.Acker {
	return senderAnswerer{p.s, a}
}

// senderAnswerer sends the acknowledgement after which the socket gets senders with its
// events.
type senderAnswerer struct {
	s *socketio.Socket
	a rooms.Acker
}

func (a senderAnswerer) ack() socketio.Ack {
	asked, _ := a.a.(ackAnswerer)
	return asked.ack
}

func (a senderAnswerer) Answer(ack []byte) {
	_ = a.s.ExpectSender(a.ack(), ack, nil, nil) // a client that is gone needs no answer
}

func (a senderAnswerer) AnswerShared(head []byte, text rooms.SharedBody, tail []byte) bool {
	body, ok := text.(*engineio.Body)
	return !ok || !errors.Is(a.s.ExpectSender(a.ack(), head, body, tail), socketio.ErrBusy)
}

func (a senderAnswerer) Wanted() bool { return a.a.Wanted() }

// Enter fails for a socket that has gone, which needs no room, and for a room named
// like the id of a socket, which is none of Socket.IO's: that name reaches the socket.
func (p *socketPeer) Enter(room string) { _ = p.s.Join(room) }

func (p *socketPeer) Exit(room string) { p.s.Leave(room) }

func (p *socketPeer) LastPacket() time.Time { return p.s.LastPacket() }

func (p *socketPeer) SetHeals() { p.s.SetHeals() }

func (p *socketPeer) Busy() bool { return p.s.Busy() }

func (p *socketPeer) Ended() bool { return p.s.Gone() }

func (p *socketPeer) Address() string { return p.s.Handshake().RemoteAddr }

func (p *socketPeer) OnNextPacket(f func()) { p.s.OnNextPacket(f) }

func (p *socketPeer) Hold(done <-chan struct{}, most time.Duration) bool { return p.s.Hold(done, most) }

func (p *socketPeer) Drop() { p.s.CloseTransport(engineio.ReasonPingTimeout) }

func (p *socketPeer) Disconnect() { p.s.Disconnect() }
