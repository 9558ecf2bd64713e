// Package benchtest is an artificial presence server with planted faults, to
// test what the load harness finds. It has just what a load without faults
// needs: join, heartbeat, leave, in one process, without any store.
package benchtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Fault is what goes wrong with every Every-th delivery.
type Fault int

// The faults.
const (
	None Fault = iota
	// Drop loses the event; the next one tells of it by its prev.
	Drop
	// DropSilently loses it and tells the receiver a prev as if it had not been.
	DropSilently
	// Duplicate delivers it twice.
	Duplicate
	// Reorder delivers it after the receiver's next one of the same user: the
	// base protocol has no order beyond that.
	Reorder
	// Swallow tells nobody of each Every-th event of a room.
	Swallow
)

// Server is the artificial server.
type Server struct {
	// URL is its address.
	URL   string
	fault Fault
	every int
	base  bool

	mu         sync.Mutex
	rooms      map[string]*room
	deliveries int
	planted    int
	nextID     int
}

type room struct {
	seq     int64
	members map[*conn]*member
}

type member struct {
	User  string `json:"userId"`
	Conn  string `json:"connId"`
	Epoch int    `json:"epoch"`
	state map[string]json.RawMessage
}

type conn struct {
	id   string
	out  *bufio.Writer
	room string
	last int64   // seq that it was told last
	held []byte  // an event that waits for the next one
	user *member // of the held event
}

// Start runs a server until the test is over. Every every-th delivery has the
// fault (of Swallow: event). A base server knows only the base protocol: no seq, prev, grace or resume.
func Start(tb testing.TB, fault Fault, every int, base bool) *Server {
	tb.Helper()
	s := &Server{fault: fault, every: every, base: base, rooms: map[string]*room{}}
	web := httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = web.URL
	tb.Cleanup(web.Close)
	return s
}

// Planted is how many faults it made. The leaves of connections that end, such
// as all do after a load, have none.
func (s *Server) Planted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.planted)
}

func (s *Server) serve(w http.ResponseWriter, q *http.Request) {
	raw, rw, _, err := ws.UpgradeHTTP(q, w)
	if err != nil {
		return
	}
	defer func() { _ = raw.Close() }()
	c := &conn{out: rw.Writer}
	defer s.closed(c)
	s.mu.Lock()
	s.nextID++
	c.id = fmt.Sprint("conn-", s.nextID)
	c.send([]byte(`0{"sid":"session","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`))
	s.mu.Unlock()
	for {
		frame, op, err := wsutil.ReadClientData(struct {
			*bufio.Reader
			*bufio.Writer
		}{rw.Reader, rw.Writer})
		if err != nil || op != ws.OpText {
			return
		}
		s.mu.Lock()
		s.handle(c, frame)
		s.mu.Unlock()
	}
}

func (s *Server) closed(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(c, None)
}

func (c *conn) send(frame []byte) {
	// The reader sees the end of a connection that does not take it.
	_ = ws.WriteFrame(c.out, ws.NewTextFrame(frame))
	_ = c.out.Flush()
}

func (s *Server) handle(c *conn, frame []byte) {
	if string(frame) == "40" {
		c.send(fmt.Appendf(nil, `40{"sid":%q}`, c.id))
		return
	}
	at := bytes.IndexByte(frame, '[')
	var args []json.RawMessage
	if at < 2 || json.Unmarshal(frame[at:], &args) != nil || len(args) < 2 {
		return
	}
	ack := func(format string, values ...any) {
		c.send(fmt.Appendf(nil, "43%s[%s]", frame[2:at], fmt.Sprintf(format, values...)))
	}
	var p struct {
		Room  string                     `json:"roomId"`
		User  string                     `json:"userId"`
		State map[string]json.RawMessage `json:"state"`
		Patch map[string]json.RawMessage `json:"patchState"`
	}
	_ = json.Unmarshal(args[1], &p) // a leave has null
	switch name, _ := strconv.Unquote(string(args[0])); name {
	case "presence:join":
		s.join(c, p.Room, &member{User: p.User, Conn: c.id, Epoch: 1, state: p.State}, ack)
	case "presence:heartbeat":
		s.heartbeat(c, p.Patch, ack)
	case "presence:leave":
		s.leave(c, s.fault)
		ack(`{"ok":true}`)
	}
}

type answer func(format string, values ...any)

func (s *Server) join(c *conn, name string, m *member, ack answer) {
	r := s.rooms[name]
	if r == nil {
		r = &room{members: map[*conn]*member{}}
		s.rooms[name] = r
	}
	c.room = name
	r.members[c] = m
	r.seq++
	c.last = r.seq - 1
	var list []*member
	for _, other := range r.members {
		list = append(list, other)
	}
	snapshot, _ := json.Marshal(list) // nothing in it can fail
	if s.base {
		ack(`{"ok":true,"snapshot":%s,"self":{"connId":%q,"epoch":1}}`, snapshot, c.id)
	} else {
		ack(`{"ok":true,"snapshot":%s,"self":{"connId":%q,"epoch":1},"seq":%d,"resumed":false}`, snapshot, c.id, r.seq)
	}
	s.broadcast(r, "join", m, s.fault)
}

func (s *Server) heartbeat(c *conn, patch map[string]json.RawMessage, ack answer) {
	r := s.rooms[c.room]
	if r == nil || r.members[c] == nil {
		ack(`{"ok":false,"error":"Join first.","code":"not_joined"}`)
		return
	}
	m := r.members[c]
	changed := len(patch) > 0
	for key, value := range patch {
		m.state[key] = value
	}
	if !changed {
		ack(`{"ok":true,"changed":false,"epoch":1}`)
		return
	}
	r.seq++
	s.broadcast(r, "update", m, s.fault)
	if s.base {
		ack(`{"ok":true}`)
	} else {
		ack(`{"ok":true,"changed":true,"epoch":1,"seq":%d}`, r.seq)
	}
}

func (s *Server) leave(c *conn, fault Fault) {
	r := s.rooms[c.room]
	if r == nil || r.members[c] == nil {
		return
	}
	m := r.members[c]
	delete(r.members, c)
	m.state = nil
	r.seq++
	s.broadcast(r, "leave", m, fault)
}

// broadcast delivers an event to everybody in the room.
func (s *Server) broadcast(r *room, kind string, m *member, fault Fault) {
	if fault == Swallow && r.seq%int64(s.every) == 0 {
		s.planted++
		return
	}
	state, _ := json.Marshal(m.state) // nothing in it can fail
	for c := range r.members {
		prev := r.seq - 1
		if s.fault == DropSilently || s.fault == Swallow {
			prev = c.last
		}
		frame := fmt.Appendf(nil, `42["presence:event",{"type":%q,"userId":%q,"connId":%q,"state":%s,"ts":1`, kind, m.User, m.Conn, state)
		if !s.base {
			frame = fmt.Appendf(frame, `,"epoch":1,"seq":%d,"prev":%d`, r.seq, prev)
		}
		frame = append(frame, "}]"...)
		s.deliver(c, m, frame, r.seq, s.plant(fault))
	}
}

// plant says whether the next delivery has the fault.
func (s *Server) plant(fault Fault) bool {
	if fault == None || fault == Swallow {
		return false
	}
	s.deliveries++
	if s.deliveries%s.every > 0 {
		return false
	}
	s.planted++
	return true
}

func (s *Server) deliver(c *conn, m *member, frame []byte, seq int64, faulty bool) {
	var held []byte
	if c.user == m {
		held, c.held, c.user = c.held, nil, nil
	}
	switch {
	case faulty && (s.fault == Drop || s.fault == DropSilently):
		return
	case faulty && s.fault == Reorder:
		c.held, c.user = frame, m
		return
	case faulty && s.fault == Duplicate:
		c.send(frame)
	}
	c.last = seq
	c.send(frame)
	if held != nil {
		c.send(held)
	}
}
