package presence

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// sockets finds what the engine knows of a Socket.IO socket.
var sockets = socketio.NewKey[*socket]()

// MemberOf returns the member that a socket is in a room, and false if it is in
// none there. Its ConnID is not the socket's id after a resume. It may be called
// from any goroutine, does not block, and answers for sockets of this process.
func MemberOf(s *socketio.Socket, roomID string) (Member, bool) {
	sock, ok := sockets.Get(s)
	if !ok {
		return Member{}, false
	}
	return sock.memberOf(roomID)
}

// binding wires an engine into a Socket.IO namespace.
type binding struct {
	engine    *engine
	authorize func(ctx context.Context, s *socketio.Socket, r JoinRequest) error
	relay     relay
}

// bind registers the handlers of the protocol. They all run inline: the engine
// never blocks them, and a heartbeat is answered on the goroutine that read it.
func bind(e *engine, ns *socketio.Namespace, o Options) *binding {
	patterns, _ := eventname.Parse(o.RelayEvents) // checked by withDefaults
	b := &binding{engine: e, authorize: o.Authorize, relay: relay{engine: e, patterns: patterns}}
	ns.OnConnect(func(_ context.Context, s *socketio.Socket) { b.connect(s) })
	ns.OnIdentify(func(s *socketio.Socket) string {
		if sock, ok := sockets.Get(s); ok {
			return sock.users()
		}
		return ""
	})
	// Not OnDisconnect: a handler of the application that is slow to return must
	// not keep a member that is gone in its rooms.
	ns.OnDisconnecting(func(s *socketio.Socket, reason socketio.Reason) {
		if sock, ok := sockets.Get(s); ok {
			sock.close(lossOf(reason))
		}
	})
	ns.OnInline("presence:join", b.handle(func(sock *socket, s *socketio.Socket, payload []byte, a answerer) {
		sock.join(payload, b.authorizer(s), a)
	}))
	ns.OnInline("presence:heartbeat", b.handle(func(sock *socket, _ *socketio.Socket, payload []byte, a answerer) {
		sock.heartbeat(payload, a)
	}))
	ns.OnInline("presence:leave", b.handle(func(sock *socket, _ *socketio.Socket, payload []byte, a answerer) {
		sock.leave(payload, a)
	}))
	ns.OnInline("presence:sync", b.handle(func(sock *socket, _ *socketio.Socket, payload []byte, a answerer) {
		sock.sync(payload, a)
	}))
	ns.OnInline("presence:emit", b.find(func(sock *socket, s *socketio.Socket, m *socketio.Message, a answerer) {
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

// unhandled answers an event that nobody wants, where silence would leave a
// client waiting: requests of presence, metadata and storage always, since some
// clients send those; others where the application has no handlers that might be missing.
func (b *binding) unhandled(s *socketio.Socket, m *socketio.Message, refuse bool) {
	event := m.Event()
	b.engine.log.Debug("event without a handler", "event", clipped(event), "socket", s.ID())
	var refused *Error
	switch {
	case strings.HasPrefix(event, "metadata:"), strings.HasPrefix(event, "storage:"):
		refused = unsupported(event)
	case refuse, eventname.Presence(event):
		refused = unknownEvent(event)
	default:
		return
	}
	if a := (ackAnswerer{m.Ack()}); a.wanted() {
		a.answer(appendRefusal(nil, refused))
	}
}

// connect makes a socket known to the engine. It may end meanwhile: then either
// OnDisconnecting finds what was set here, or this sees that it has ended.
func (b *binding) connect(s *socketio.Socket) *socket {
	sock := b.engine.connect(&socketPeer{s})
	sockets.Set(s, sock)
	if !s.Connected() {
		sock.close(ReasonDisconnect, false) // it is in no room yet
	}
	return sock
}

// find adapts a request of the engine to a Socket.IO handler.
func (b *binding) find(f func(sock *socket, s *socketio.Socket, m *socketio.Message, a answerer)) socketio.Handler {
	return func(_ context.Context, s *socketio.Socket, m *socketio.Message) error {
		sock, ok := sockets.Get(s)
		if !ok { // connected before Init
			sock = b.connect(s)
		}
		f(sock, s, m, ackAnswerer{m.Ack()})
		return nil
	}
}

// handle is find for a request that is its first argument and takes no
// attachments: what stands for one in the JSON would be stored as it is.
func (b *binding) handle(f func(sock *socket, s *socketio.Socket, payload []byte, a answerer)) socketio.Handler {
	return b.find(func(sock *socket, s *socketio.Socket, m *socketio.Message, a answerer) {
		if len(m.Binary()) > 0 {
			a.answer(appendRefusal(nil, errAttachments))
			return
		}
		f(sock, s, m.Arg(0), a)
	})
}

var errAttachments = invalid("This request takes no binary data.")

// errUndecided is the answer when Authorize ran out of time: not a no for ever.
var errUndecided = &Error{Code: CodeUnavailable, Message: "It was not decided in time whether you may join; try again in a moment."}

// authorizer is Options.Authorize for one socket, its errors coded.
func (b *binding) authorizer(s *socketio.Socket) authorizer {
	if b.authorize == nil {
		return nil
	}
	return func(ctx context.Context, r JoinRequest) error {
		sock, ok := sockets.Get(s)
		if ok && !sock.enterAuthorize(ctx) {
			return b.undecided()
		}
		if ok {
			defer sock.leaveAuthorize()
		}
		err := b.engine.guard(func() error { return b.authorize(ctx, s, r) })
		var coded *Error
		var fault *panicError
		if err == nil || errors.As(err, &coded) || errors.As(err, &fault) {
			return err
		}
		refused := ErrForbidden
		if ctx.Err() != nil {
			refused = b.undecided()
		}
		b.engine.faults.Warn("join refused", "room", clipped(r.RoomID), "user", clipped(r.UserID),
			"code", refused.Code, "error", clippedError(err))
		return refused
	}
}

// undecided is the answer to a join for whose Authorize there was no time.
func (b *binding) undecided() *Error {
	if b.engine.draining.Load() {
		return errShuttingDown
	}
	return errUndecided
}

// lossOf says what the end of a connection is to presence, and whether it was
// a goodbye.
func lossOf(reason socketio.Reason) (Reason, bool) {
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

func (a ackAnswerer) answer(ack []byte) {
	_ = a.ack.SendTrusted(ack, nil, nil) // a client that is gone needs no answer
}

func (a ackAnswerer) answerShared(head []byte, text sharedText, tail []byte) bool {
	body, ok := text.(*engineio.Body)
	return !ok || !errors.Is(a.ack.SendTrusted(head, body, tail), socketio.ErrBusy)
}

func (a ackAnswerer) wanted() bool { return a.ack.Wanted() }

// encoderFor makes the frames of a namespace, which are packets.
func encoderFor(namespace string) func(event []byte, c series.Change) frame {
	return func(event []byte, c series.Change) frame { return socketio.NewTrustedChange(namespace, event, c) }
}

// socketPeer is a Socket.IO socket as the engine sees it.
type socketPeer struct{ s *socketio.Socket }

func (p *socketPeer) id() string { return p.s.ID() }

func (p *socketPeer) deliver(f frame) {
	packet, ok := f.(*socketio.Packet)
	if !ok {
		return
	}
	// One that is gone hears nothing. An event that is too large for the moment would be
	// missed unnoticed: the client comes back and joins again.
	if errors.Is(p.s.Send(packet), socketio.ErrTooLarge) {
		p.s.CloseTransport(engineio.ReasonSlowConsumer)
	}
}

func (p *socketPeer) expectSender(a answerer) answerer {
	return senderAnswerer{p.s, a}
}

// senderAnswerer answers with the acknowledgement from which on a socket is told
// who sends it events.
type senderAnswerer struct {
	s *socketio.Socket
	a answerer
}

func (a senderAnswerer) ack() socketio.Ack {
	asked, _ := a.a.(ackAnswerer)
	return asked.ack
}

func (a senderAnswerer) answer(ack []byte) {
	_ = a.s.ExpectSender(a.ack(), ack, nil, nil) // a client that is gone needs no answer
}

func (a senderAnswerer) answerShared(head []byte, text sharedText, tail []byte) bool {
	body, ok := text.(*engineio.Body)
	return !ok || !errors.Is(a.s.ExpectSender(a.ack(), head, body, tail), socketio.ErrBusy)
}

func (a senderAnswerer) wanted() bool { return a.a.wanted() }

// enter fails for a socket that has gone, which needs no room, and for a room named
// like the id of a socket, which is none of Socket.IO's: that name reaches the socket.
func (p *socketPeer) enter(room string) { _ = p.s.Join(room) }

func (p *socketPeer) exit(room string) { p.s.Leave(room) }

func (p *socketPeer) lastPacket() time.Time { return p.s.LastPacket() }

func (p *socketPeer) setHeals() { p.s.SetHeals() }

func (p *socketPeer) busy() bool { return p.s.Busy() }

func (p *socketPeer) ended() bool { return p.s.Gone() }

func (p *socketPeer) address() string { return p.s.Handshake().RemoteAddr }

func (p *socketPeer) onNextPacket(f func()) { p.s.OnNextPacket(f) }

func (p *socketPeer) drop() { p.s.CloseTransport(engineio.ReasonPingTimeout) }

func (p *socketPeer) disconnect() { p.s.Disconnect() }
