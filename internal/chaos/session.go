//go:build unix

package chaos

import (
	"encoding/json"
	"time"

	wire "github.com/realtime-ai/realtime-message-go/internal/client"
)

// session is one socket of a client and what it keeps while it lasts. Guarded
// by the client's mu, but for conn and done.
type session struct {
	c    *client
	node *node
	conn *wire.Conn
	done chan struct{} // closed when the socket is gone and all of that noted

	nextAck  uint64
	pending  map[uint64]*request
	views    map[string]*view
	dropping bool // the client itself closes it
}

func newSession(c *client, n *node, conn *wire.Conn) *session {
	return &session{
		c: c, node: n, conn: conn, done: make(chan struct{}),
		pending: make(map[uint64]*request), views: make(map[string]*view),
	}
}

// request is one that waits for its answer.
type request struct {
	name, room string
	sent       time.Time
	then       func(a *answer) // nil: there will be none, the socket is gone
}

// read handles packets until the connection ends.
func (s *session) read() {
	defer close(s.done)
	for {
		p, err := s.conn.Next()
		s.c.mu.Lock()
		if err == nil && p.Kind == wire.Disconnect {
			s.c.complain(otherFault, "told to go away by %s", s.node.name)
		}
		if err != nil {
			s.end(err)
			s.c.mu.Unlock()
			return
		}
		s.handle(p)
		s.c.mu.Unlock()
	}
}

func (s *session) handle(p wire.Packet) {
	if s.dropping {
		return // the client has closed it: it hears neither answers nor events any more, as end says
	}
	switch p.Kind {
	case wire.Event:
		e, err := parseEvent(p.Body)
		if err != nil {
			s.c.complain(otherFault, "%v: %.300s", err, p.Body)
			return
		}
		v := s.views[e.RoomID]
		if v == nil {
			s.c.complain(otherFault, "an event of a room that the socket is not in: %v", e)
			return
		}
		v.arrive(e)
	case wire.Ack:
		a, err := parseAnswer(p.Body)
		r := s.pending[p.Ack]
		if err != nil || r == nil {
			s.c.complain(otherFault, "an answer to nothing, or not one: %v %.300s", err, p.Body)
			return
		}
		delete(s.pending, p.Ack)
		if a.Code == "internal" || a.Code == "invalid_payload" {
			s.c.complain(otherFault, "%s answered: %s %s", r.name, a.Code, a.Error)
		}
		s.c.w.tally.answered(r, a, s.c.w.truth.troubled(s.node))
		r.then(a)
	}
}

// end notes that the socket is gone.
func (s *session) end(err error) {
	c := s.c
	c.sess = nil
	s.conn.Close()
	now := time.Now()
	if !s.dropping {
		c.w.dropped(c, s, err)
	}
	for _, l := range c.lives {
		c.w.truth.lost(l, now, err.Error())
	}
	for _, r := range s.pending {
		r.then(nil)
	}
	for room, l := range c.lives {
		if l.grace == 0 {
			delete(c.lives, room)
		}
	}
}

// send sends a request; then is called under the client's mu.
func (s *session) send(name, room string, payload map[string]any, then func(a *answer)) {
	text, err := json.Marshal(payload)
	if err != nil {
		s.c.complain(otherFault, "payload of %s: %v", name, err)
		return
	}
	id := s.nextAck
	s.nextAck++
	s.pending[id] = &request{name: name, room: room, sent: time.Now(), then: then}
	if name == patchName {
		name = heartbeatName
	}
	// An error shows in read, too.
	_ = s.conn.Write(wire.AppendEvent(nil, id, name, text))
}

// waiting says whether something other than heartbeats waits for its answer.
func (s *session) waiting() bool {
	for _, r := range s.pending {
		if r.name != heartbeatName {
			return true
		}
	}
	return false
}

// requestSync is what a view asks for when it finds a gap.
func (s *session) requestSync(room string, seq int64) {
	v := s.views[room]
	v.hold()
	payload := map[string]any{"roomId": room}
	if seq >= 0 {
		payload["seq"] = seq
	}
	s.send("presence:sync", room, payload, func(a *answer) {
		v.release(a)
	})
}
