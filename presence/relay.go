package presence

import (
	"encoding/json"
	"fmt"
	"strings"

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
	rooms, err := sock.relayRooms(m.Arg(0))
	if err == nil && r.engine.draining.Load() {
		err = errShuttingDown
	}
	if err != nil {
		a.answer(appendRefusal(nil, r.engine.refusal(err, "relay")))
		return
	}
	p, err := relayed(s, m)
	if err != nil {
		a.answer(appendRefusal(nil, r.engine.refusal(err, "relay")))
		return
	}
	ok := sock.relays().post(func() {
		ctx, cancel := r.engine.bounded()
		defer cancel()
		if len(rooms) > 0 {
			if err := s.To(rooms...).Send(ctx, p); err != nil {
				a.answer(appendRefusal(nil, r.engine.refusal(err, "relay")))
				return
			}
		}
		a.answer(ackOK)
	}, maxQueued, r.engine.start)
	if !ok {
		a.answer(appendRefusal(nil, errTooManyWaiting))
	}
}

// relayed is the event as it came, for others.
func relayed(s *socketio.Socket, m *socketio.Message) (*socketio.Packet, error) {
	return socketio.NewEventRaw(s.Namespace().Name(), m.Raw(), m.Binary()...)
}

// relayRooms is where an event goes: the room that its first argument names,
// else all rooms of the socket.
func (s *socket) relayRooms(first json.RawMessage) ([]string, error) {
	var room string
	if len(first) > 0 && first[0] == '{' {
		err := fields(first, func(key, value []byte) (err error) {
			if rawjson.KeyIs(key, "roomId") {
				room, err = parseID("roomId", value, s.eng.limits)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var rooms []string
	for _, st := range s.seats {
		if st.member.Load() != nil && st.wanted && (room == "" || room == st.roomID) {
			rooms = append(rooms, st.roomID)
		}
	}
	if room != "" && len(rooms) == 0 {
		return nil, notJoined(room)
	}
	return rooms, nil
}

// relays is the lane of the socket's relayed events, made when first needed.
func (s *socket) relays() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relayLane == nil {
		s.relayLane = new(lane)
	}
	return s.relayLane
}
