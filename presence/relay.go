package presence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/internal/socketid"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// relay passes client events on to the other members of the sender's rooms.
type relay struct {
	engine   *engine
	patterns eventname.Patterns // of the events that are relayed
}

// handle relays an event that names its room in its first argument, or goes to
// all rooms of the sender: the way of clients that do not know presence:emit.
func (r relay) handle(sock *socket, s *socketio.Socket, m *socketio.Message) {
	a := ackAnswerer{m.Ack()}
	room, err := relayRoom(m.Arg(0), r.engine.limits)
	if err == nil {
		err = r.queue(sock, s, relayed{room: room, text: m.Raw(), binary: m.Binary()}, a)
	}
	if err != nil {
		a.answer(appendRefusal(nil, r.engine.refusal(err, "relay")))
	}
}

// emit handles presence:emit.
func (r relay) emit(sock *socket, s *socketio.Socket, m *socketio.Message, a answerer) {
	p, err := parseEmit(m.Arg(0), r.engine.limits)
	if err == nil && !r.patterns.Match(p.event) {
		err = unknownEvent(p.event)
	}
	if err == nil {
		err = r.queue(sock, s, relayed{room: p.roomID, text: p.text(), binary: m.Binary(), volatile: p.volatile}, a)
	}
	if err != nil {
		a.answer(appendRefusal(nil, r.engine.refusal(err, "relay")))
	}
}

// text is the event as a message of its own.
func (p *emitPayload) text() []byte {
	text := append(make([]byte, 0, len(p.event)+len(p.args)+4), '[')
	text = jsontext.AppendString(text, p.event)
	if args := bytes.TrimLeft(p.args, "[ \t\r\n"); len(args) > 1 || len(args) == 1 && args[0] != ']' {
		return append(append(text, ','), p.args[1:]...)
	}
	return append(text, ']')
}

// relayed is an event on its way to other members.
type relayed struct {
	room     string // "": all rooms of the sender
	text     []byte // the whole message
	binary   [][]byte
	volatile bool
}

// size is the number of bytes that it holds while it waits.
func (x *relayed) size() int {
	size := len(x.text)
	for _, b := range x.binary {
		size += len(b)
	}
	return size
}

// queue has an event sent and answered when its turn comes, behind those that the
// socket sent before, or says why not. Its own goroutine does the sending: the
// cluster may be slow. While others have no room for what the client sent before, it
// is not read: called on the goroutine that reads the connection, queue blocks then.
func (r relay) queue(sock *socket, s *socketio.Socket, x relayed, a answerer) error {
	e := r.engine
	if full := sock.held(); full != nil && !s.Hold(full) {
		return errShuttingDown // nobody is left to hear it
	}
	deadline := e.clock.Now().Add(e.storeTimeout)
	p, err := socketio.NewEventRaw(s.Namespace().Name(), x.text, x.binary...)
	if err != nil {
		return err
	}
	sock.mu.Lock()
	defer sock.mu.Unlock()
	way, err := sock.route(x.room)
	if err != nil {
		return err
	}
	volatile := x.volatile
	return sock.postRelay(x.size(), func() {
		if sock.gone() {
			return
		}
		if sock.heldUntil.Add(e.storeTimeout).After(deadline) {
			deadline = sock.heldUntil.Add(e.storeTimeout) // the wait was not the store's
		}
		ack := ackOK
		held, err := r.send(deadline, s, p, way, volatile)
		if err != nil {
			ack = appendRefusal(nil, e.refusal(err, "relay"))
		}
		a.answer(ack)
		if held != nil {
			sock.hold(held)
		}
	})
}

// hold waits until the others have room for what the client sent. An operation of the
// relay's lane.
func (s *socket) hold(held *socketio.Held) {
	full := make(chan struct{})
	s.mu.Lock()
	s.full = full
	s.mu.Unlock()
	held.Wait(s.eng.ctx)
	s.mu.Lock()
	s.full = nil
	s.mu.Unlock()
	s.heldUntil = s.eng.clock.Now()
	close(full)
}

// held returns what is closed when the others have room for what the client sent; nil:
// they have.
func (s *socket) held() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// send is the lane's half of a relay. It returns whom it has to wait for, if anybody.
func (r relay) send(
	deadline time.Time, s *socketio.Socket, p *socketio.Packet, way route, volatile bool,
) (*socketio.Held, error) {
	e := r.engine
	ctx := e.near(deadline)
	members, err := way.members(ctx)
	if err != nil {
		return nil, err
	}
	to, addressed, now := s.Broadcast(), false, e.storeNow()
	for _, m := range members {
		name := e.roomName(m.room.id)
		// A room named like a socket's id has no Socket.IO room: that name would
		// reach the socket.
		if socketid.Is(name) && !s.InRoom(name) {
			continue
		}
		to, addressed = to.ToAs(name, m.appendSender(nil, now)), true
	}
	if !addressed {
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("its turn came too late: %w", ctx.Err())
	}
	if volatile {
		to = to.Volatile()
	}
	held, err := to.SendHeld(ctx, p)
	if errors.Is(err, socketio.ErrTooLarge) {
		err = errNoRoom
	}
	return held, err
}

// appendSender writes who sends an event to the member's room.
func (m *membership) appendSender(dst []byte, nowMs int64) []byte {
	dst = append(dst, `{"connId":`...)
	dst = jsontext.AppendString(dst, m.connID)
	dst = append(dst, `,"userId":`...)
	dst = jsontext.AppendString(dst, m.userID)
	dst = append(dst, `,"roomId":`...)
	dst = jsontext.AppendString(dst, m.room.id)
	return append(appendInt(dst, `,"ts":`, nowMs), '}')
}

// relayRoom is the room that an event's first argument names; "": none.
func relayRoom(first json.RawMessage, l limits) (room string, err error) {
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

// route is where an event goes.
type route struct {
	named string // the room that it names; "": all that the sender is in
	stops []stop
}

// stop is a room on a route.
type stop struct {
	room   string
	member *membership // the sender's; nil: in will tell
	// in gives, once the requests before the event took effect, the sender's
	// membership: nil if it is not in the room.
	in chan *membership
}

// route is the way to a room, or to all rooms of the socket. s.mu is held.
func (s *socket) route(room string) (route, error) {
	way := route{named: room}
	for _, st := range s.seats {
		if !st.wanted || room != "" && room != st.roomID {
			continue
		}
		next := stop{room: st.roomID}
		if st.joining > 0 {
			in := make(chan *membership, 1)
			if !st.lane.post(func() { in <- st.member.Load() }, maxQueued, s.eng.start) {
				return way, errTooManyWaiting
			}
			next.in = in
		} else if next.member = st.member.Load(); next.member == nil {
			continue
		}
		way.stops = append(way.stops, next)
	}
	if room != "" && len(way.stops) == 0 {
		return way, notJoined(room)
	}
	return way, nil
}

// members waits for the joins under way and returns what the sender is in the rooms
// that it is in.
func (way route) members(ctx context.Context) ([]*membership, error) {
	members := make([]*membership, 0, len(way.stops))
	for _, next := range way.stops {
		m := next.member
		if m == nil {
			select {
			case m = <-next.in:
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for a join of room %q: %w", next.room, ctx.Err())
			}
		}
		if m != nil {
			members = append(members, m)
		}
	}
	if way.named != "" && len(members) == 0 {
		return nil, notJoined(way.named)
	}
	return members, nil
}

// postRelay queues an operation on the lane of the socket's relayed events,
// made when first needed, and counts its bytes as waiting. s.mu is held.
func (s *socket) postRelay(size int, op func()) error {
	if s.relayLane == nil {
		s.relayLane = new(lane)
	}
	ok := s.takes(size) && s.relayLane.post(func() {
		op()
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
	}, maxQueued, s.eng.start)
	if !ok {
		return errTooManyWaiting
	}
	s.queued += size
	return nil
}
