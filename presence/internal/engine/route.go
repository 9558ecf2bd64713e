package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Backlog is what the receivers of a relayed event have to read before they can take
// more.
type Backlog interface {
	// Wait blocks until they have room again, or ctx ends.
	Wait(ctx context.Context)
}

// RelayEvent is an event on its way from a socket to other members of its rooms.
type RelayEvent struct {
	Room string // "": all rooms of the sender
	Size int    // the bytes that it holds while it waits
	// Send sends it for what its sender is in each of the rooms. It blocks for at most ctx,
	// and returns whom the socket has to wait for; nil for nobody.
	Send func(ctx context.Context, from []wire.Sender) (Backlog, error)
}

// Relay has an event sent and answered when its turn comes, behind those that the
// socket sent before, or says why not. While others have no room for what the client sent
// before, or too much of it waits, the client is not read: called on the goroutine that
// reads the connection, Relay blocks then.
func (s *Socket) Relay(x RelayEvent, a Acker) error {
	e, relays := s.eng, s.relaying()
	if !relays.await(s.conn, e.clock) {
		return wire.ErrShuttingDown // the connection has ended
	}
	deadline := e.clock.Now().Add(e.StoreTimeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	way, err := s.route(x.Room)
	if err != nil {
		return err
	}
	return s.postRelay(relays, x.Size, func() { s.runRelay(relays, deadline, way, x, a) })
}

// runRelay is the executor's half of a relay.
func (s *Socket) runRelay(relays *relaying, deadline time.Time, way targets, x RelayEvent, a Acker) {
	e := s.eng
	if s.gone() {
		return
	}
	if held := relays.heldUntil.Add(e.StoreTimeout); held.After(deadline) {
		deadline = held // the wait was not the store's
	}
	held, err := s.sendRelayed(e.deadlines.Shared(deadline), way, x)
	if err != nil {
		e.Refuse(a, err, "relay")
	} else {
		a.Answer(ackOK)
	}
	if held != nil {
		relays.sendHeld(held, e.Node)
	}
}

func (s *Socket) sendRelayed(ctx context.Context, way targets, x RelayEvent) (Backlog, error) {
	members, err := way.members(ctx)
	if err != nil || len(members) == 0 {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("its turn came too late: %w", ctx.Err())
	}
	now := s.eng.storeNow()
	from := make([]wire.Sender, len(members))
	for i, m := range members {
		from[i] = wire.Sender{ConnID: m.connID, UserID: m.userID, RoomID: m.room.id, AtMs: now}
	}
	return x.Send(ctx, from)
}

// targets is where an event goes.
type targets struct {
	named string // the room that it names; "": all that the sender is in
	stops []relayTarget
}

// relayTarget is a room on a route.
type relayTarget struct {
	room   string
	member *ownedMember // the sender's; nil: in tells
	// in gives, once the requests before the event took effect, the sender's
	// owned member: nil if it is not in the room.
	in chan *ownedMember
}

// route is the way to a room, or to all rooms of the socket. s.mu is held.
func (s *Socket) route(room string) (targets, error) {
	way := targets{named: room}
	for _, st := range s.sessions {
		if !st.wantsRoom || room != "" && room != st.roomID() {
			continue
		}
		next := relayTarget{room: st.roomID()}
		if st.joinsOpen > 0 {
			in := make(chan *ownedMember, 1)
			if !st.executor.Post(func() { in <- st.member.Load() }, maxQueuedTasks, s.eng.start) {
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
func (way targets) members(ctx context.Context) ([]*ownedMember, error) {
	members := make([]*ownedMember, 0, len(way.stops))
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
