package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/socketid"
)

// Socket is one client's place in one namespace. All methods are safe for
// concurrent use, and none blocks except [Socket.EmitWithAck].
type Socket struct {
	id     string
	ns     *Namespace
	conn   *conn
	auth   json.RawMessage
	joined time.Time

	// Guarded by Namespace.mu.
	rooms  []membership
	listed bool // reachable by broadcasts
	gone   bool // never listed again

	mu           sync.Mutex
	phase        phase
	announced    bool  // OnConnect ran or runs, so OnDisconnect will
	running      bool  // a goroutine handles the queue
	expects      bool  // each event that it gets ends with its sender
	busy         int32 // handlers and hooks that run; the last one out reports the end
	queued       int32
	queuedBytes  int
	head, tail   *Message      // messages that wait for their handlers
	wake         chan struct{} // what the reading goroutine waits on, if it does
	reason       Reason
	ctx          context.Context
	cancel       context.CancelFunc
	questions    map[uint64]chan *Message // events of ours that want an answer
	lastQuestion uint64
	data         []datum
}

// Handshake is what a client said when it connected. Its contents must not be
// modified.
type Handshake struct {
	Auth       json.RawMessage // the auth payload, an object; {} when the client sent none
	Query      url.Values      // of the connection's first request
	Header     http.Header     // of the connection's first request
	RemoteAddr string          // of the connection's first request
	Time       time.Time       // when the socket joined the namespace
}

func newSocket(c *conn, n *Namespace, auth []byte) *Socket {
	s := &Socket{id: socketid.New(), ns: n, conn: c, joined: time.Now()}
	if len(auth) > 0 {
		s.auth = append(s.auth, auth...)
	}
	return s
}

// ID returns the socket's id: 20 random characters of [A-Za-z0-9_-], known to
// its client and safe to show to others.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace that the socket is in.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Handshake returns what the client said when it connected. Each call makes a
// new one.
func (s *Socket) Handshake() *Handshake {
	r := s.conn.session.Request()
	h := &Handshake{Auth: s.auth, Query: r.Query, Header: r.Header, RemoteAddr: r.RemoteAddr, Time: s.joined}
	if h.Auth == nil {
		h.Auth = json.RawMessage("{}")
	}
	return h
}

// LastPacket returns when the client last sent anything at all, pongs included.
func (s *Socket) LastPacket() time.Time { return s.conn.session.LastPacket() }

// OnNextPacket has f called once, when the client next sends anything at all, pongs included; see
// [engineio.Session.OnNextPacket] for what f may do.
func (s *Socket) OnNextPacket(f func()) { s.conn.session.OnNextPacket(f) }

// Connected reports whether the socket has joined its namespace and not left it.
func (s *Socket) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connected()
}

// connected is Connected for callers that hold s.mu.
func (s *Socket) connected() bool { return s.phase == phaseOpening || s.phase == phaseReady }

// Gone reports whether nothing can be sent to the client any more: the socket has left, or its
// connection has ended, of which its handlers and OnDisconnect may not have heard yet.
func (s *Socket) Gone() bool { return s.conn.session.Closed() || s.closed() }

// Join puts the socket into rooms: into all of them, or into none when it fails.
// It fails with [ErrDisconnected], and with [ErrRoomName] when a name has the form
// of a socket id, of this process or another: an id addresses its socket alone, and
// since ids are public, clients that choose their rooms could listen otherwise.
// For a room about a socket, put something in front: "watch:" + id. Ids carry a
// checksum; of other names with 20 characters one in four billion looks like one.
func (s *Socket) Join(rooms ...string) error { return s.ns.join(s, rooms) }

// Leave takes the socket out of a room. Its own id it cannot leave.
func (s *Socket) Leave(room string) { s.ns.leave(s, room) }

// Rooms returns the rooms that the socket has joined, its own id not among them.
func (s *Socket) Rooms() []string {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	names := make([]string, len(s.rooms))
	for i, m := range s.rooms {
		names[i] = m.room.name
	}
	return names
}

// InRoom reports whether the socket is in a room. While it is connected, it is
// in the one that its id names.
func (s *Socket) InRoom(room string) bool {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	return s.listed && (room == s.id || s.place(s.ns.rooms[room]) >= 0)
}

// Emit sends an event to the client. Arguments are encoded as JSON; a []byte
// becomes a binary attachment, a json.RawMessage is taken as it is. A socket that
// expects a sender (see [Socket.ExpectSender]) gets null as that. Emit fails with
// [ErrDisconnected], with [ErrTooLarge], or when an argument cannot be encoded.
func (s *Socket) Emit(event string, args ...any) error {
	p, err := encodeEvent(s.ns.name, event, args)
	if err != nil {
		return err
	}
	return s.Send(p)
}

// Send sends a packet to the client. It fails with [ErrDisconnected], with
// [ErrTooLarge], or with [ErrNamespace] when the packet was made for another namespace.
func (s *Socket) Send(p *Packet) error {
	if p.namespace != s.ns.name {
		return ErrNamespace
	}
	return s.emit(&outgoing{packet: p})
}

// transmit queues frames that are no event's as long as the socket is connected.
func (s *Socket) transmit(frames ...*engineio.Frame) error {
	if !s.Connected() {
		return ErrDisconnected
	}
	return sendError(s.conn.session.Send(frames...))
}

// transmitWithin is transmit while no more than limit bytes wait.
func (s *Socket) transmitWithin(limit int, frames ...*engineio.Frame) error {
	if !s.Connected() {
		return ErrDisconnected
	}
	return s.sendWithin(limit, frames...)
}

// sendWithin is transmitWithin for a socket that is known to be connected.
func (s *Socket) sendWithin(limit int, frames ...*engineio.Frame) error {
	err := s.conn.session.SendWithin(limit, frames...)
	if errors.Is(err, engineio.ErrFull) || errors.Is(err, engineio.ErrTooLarge) {
		return ErrBusy
	}
	return sendError(err)
}

// sendError turns an error of a session into one of this package.
func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engineio.ErrTooLarge):
		return ErrTooLarge
	}
	return ErrDisconnected
}

// Busy reports whether so much waits to be sent to the client that what can wait
// should: half of what its connection's queue may hold, or one message that is large
// by that measure.
func (s *Socket) Busy() bool {
	return s.conn.session.Busy() || s.conn.session.Queued() > s.ns.server.patientQueue
}

// SetHeals says that the client notices what it misses of a series of changes (see
// [NewTrustedChange]) and asks for it. Rather than being closed for a backlog, its
// connection then loses changes.
func (s *Socket) SetHeals() { s.conn.session.SetHeals() }

// To addresses the sockets of the given rooms except this one, and with an
// empty list nobody; [Socket.Broadcast] is for all others.
func (s *Socket) To(rooms ...string) Broadcaster { return s.Broadcast().To(rooms...) }

// Broadcast addresses all sockets of the namespace except this one.
func (s *Socket) Broadcast() Broadcaster {
	return Broadcaster{ns: s.ns, to: audience{except: []string{s.id}}}
}

// Disconnect sends the client a disconnect packet, after which it does not
// reconnect by itself. Messages that wait for their handlers are dropped. The
// connection stays open for other namespaces.
func (s *Socket) Disconnect() { s.close(ReasonServerDisconnect) }

// CloseTransport closes the whole connection without a disconnect packet, after
// what is queued for it was sent. Clients try to reconnect then.
func (s *Socket) CloseTransport(reason Reason) { s.conn.session.Close(reason) }
