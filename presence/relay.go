package presence

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawjson"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// relay passes client events on to the other members of the sender's rooms.
type relay struct {
	engine   *engine
	patterns []string
}

// checkPattern refuses a pattern that could never match.
func checkPattern(pattern string) error {
	switch {
	case pattern == "":
		return fmt.Errorf("presence: Options.RelayEvents has an empty pattern")
	case strings.Contains(strings.TrimSuffix(pattern, "*"), "*"):
		return fmt.Errorf("presence: Options.RelayEvents: %q has a * before its end", pattern)
	case strings.HasPrefix(pattern, "presence:"):
		return fmt.Errorf("presence: Options.RelayEvents: %q: events of presence are never relayed", pattern)
	}
	return nil
}

func (r relay) matches(event string) bool {
	if strings.HasPrefix(event, "presence:") {
		return false
	}
	for _, p := range r.patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(event, prefix) || event == p {
			return true
		}
	}
	return false
}

// handle relays one event, behind those that the socket sent before. Its own
// goroutine does the sending: the cluster may be slow.
func (r relay) handle(sock *socket, s *socketio.Socket, m *socketio.Message) {
	if !r.matches(m.Event()) {
		return
	}
	a := ackAnswerer{m.Ack()}
	if err := r.queue(sock, s, m, a); err != nil {
		a.answer(appendRefusal(nil, r.engine.refusal(err, "relay")))
	}
}

// queue has an event sent and answered when its turn comes, or says why not.
func (r relay) queue(sock *socket, s *socketio.Socket, m *socketio.Message, a answerer) error {
	e := r.engine
	deadline := e.clock.Now().Add(e.storeTimeout)
	room, err := relayRoom(m.Arg(0), e.limits)
	if err != nil {
		return err
	}
	p, err := socketio.NewEventRaw(s.Namespace().Name(), m.Raw(), m.Binary()...)
	if err != nil {
		return err
	}
	sock.mu.Lock()
	defer sock.mu.Unlock()
	way, err := sock.route(room)
	if err != nil {
		return err
	}
	return sock.postRelay(sizeOf(m), func() {
		ack := ackOK
		if err := r.send(deadline, s, p, way); err != nil {
			ack = appendRefusal(nil, e.refusal(err, "relay"))
		}
		a.answer(ack)
	})
}

// send is the lane's half of a relay.
func (r relay) send(deadline time.Time, s *socketio.Socket, p *socketio.Packet, way route) error {
	ctx := r.engine.near(deadline)
	rooms, err := way.rooms(ctx)
	// A room named like a socket's id has no Socket.IO room: that name would
	// reach the socket.
	rooms = slices.DeleteFunc(rooms, func(room string) bool { return isSocketID(room) && !s.InRoom(room) })
	if err != nil || len(rooms) == 0 {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("its turn came too late: %w", ctx.Err())
	}
	return s.To(rooms...).Send(ctx, p)
}

// sizeOf is the number of bytes that a message holds while it waits.
func sizeOf(m *socketio.Message) int {
	size := len(m.Raw())
	for _, b := range m.Binary() {
		size += len(b)
	}
	return size
}

// relayRoom is the room that an event's first argument names; "": none.
func relayRoom(first json.RawMessage, l limits) (room string, err error) {
	if len(first) == 0 || first[0] != '{' {
		return "", nil
	}
	err = fields(first, func(key, value []byte) (err error) {
		if rawjson.KeyIs(key, "roomId") {
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
	room string
	// in tells, once the requests before the event took effect, whether the
	// sender is in the room; nil: it is.
	in chan bool
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
			in := make(chan bool, 1)
			if !st.lane.post(func() { in <- st.member.Load() != nil }, maxQueued, s.eng.start) {
				return way, errTooManyWaiting
			}
			next.in = in
		} else if st.member.Load() == nil {
			continue
		}
		way.stops = append(way.stops, next)
	}
	if room != "" && len(way.stops) == 0 {
		return way, notJoined(room)
	}
	return way, nil
}

// rooms waits for the joins under way and returns the rooms that the sender is in.
func (way route) rooms(ctx context.Context) ([]string, error) {
	rooms := make([]string, 0, len(way.stops))
	for _, next := range way.stops {
		in := next.in == nil
		if !in {
			select {
			case in = <-next.in:
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for a join of room %q: %w", next.room, ctx.Err())
			}
		}
		if in {
			rooms = append(rooms, next.room)
		}
	}
	if way.named != "" && len(rooms) == 0 {
		return nil, notJoined(way.named)
	}
	return rooms, nil
}

// postRelay queues an operation on the lane of the socket's relayed events,
// made when first needed, and counts its bytes as waiting. s.mu is held.
func (s *socket) postRelay(size int, op func()) error {
	if s.relayLane == nil {
		s.relayLane = new(lane)
	}
	ok := s.queued+size <= maxQueuedBytes && s.relayLane.post(func() {
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
