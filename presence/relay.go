package presence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/socketid"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
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
	room, err := wire.RelayRoom(m.Arg(0), r.engine.limits)
	if err == nil {
		err = r.queue(sock, s, relayed{room: room, text: m.Raw(), binary: m.Binary()}, a)
	}
	if err != nil {
		a.answer(wire.AppendRefusal(nil, r.engine.refusal(err, "relay")))
	}
}

// emit handles presence:emit.
func (r relay) emit(sock *socket, s *socketio.Socket, m *socketio.Message, a answerer) {
	p, err := wire.ParseEmit(m.Arg(0), r.engine.limits)
	if err == nil && !r.patterns.Match(p.Event) {
		err = wire.UnknownEvent(p.Event)
	}
	if err == nil {
		err = r.queue(sock, s, relayed{room: p.RoomID, text: p.Text(), binary: m.Binary(), volatile: p.Volatile}, a)
	}
	if err != nil {
		a.answer(wire.AppendRefusal(nil, r.engine.refusal(err, "relay")))
	}
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
		return wire.ErrShuttingDown // nobody is left to hear it
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
			ack = wire.AppendRefusal(nil, e.refusal(err, "relay"))
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
		sender := &wire.Sender{ConnID: m.connID, UserID: m.userID, RoomID: m.room.id, AtMs: now}
		to, addressed = to.ToAs(name, wire.AppendSender(nil, sender)), true
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
		err = wire.ErrTooMuchUnsent
	}
	return held, err
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
				return way, wire.ErrTooManyWaiting
			}
			next.in = in
		} else if next.member = st.member.Load(); next.member == nil {
			continue
		}
		way.stops = append(way.stops, next)
	}
	if room != "" && len(way.stops) == 0 {
		return way, wire.NotJoined(room)
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
		return nil, wire.NotJoined(way.named)
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
		return wire.ErrTooManyWaiting
	}
	s.queued += size
	return nil
}
