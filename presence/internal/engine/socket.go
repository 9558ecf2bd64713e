package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Socket is one Socket.IO connection with all the rooms that it is in or on
// its way into.
type Socket struct {
	eng  *Sockets // that it is one of
	conn clientConn

	mu       sync.Mutex
	sessions []*roomSession // few: looked through
	closed   bool
	// minEpoch is the highest epoch of the members with the socket's own id that were given
	// up: epochs of a connId only rise.
	minEpoch int64
	// idTaken: another member has the socket's own id as its connId.
	idTaken   bool
	queued    int  // bytes of the requests that wait
	canResync bool // it has sent a sync: it notices gaps
	// silent: nothing has come for so long that its resumable members are shown away.
	silent bool

	relays *relaying // what its events are relayed with; nil before the first

	authorize *authorizeLimit // its joins in Options.Authorize; nil before the first
}

// roomSession is a socket's place in one room: its requests for that room take effect
// in the order sent.
type roomSession struct {
	executor serial.Executor
	sock     *Socket
	room     *ownRoom // acquired by the first join; of the executor

	member atomic.Pointer[ownedMember] // nil: not in the room

	// Guarded by sock.mu: whether the requests read so far leave the socket in
	// the room, how many of them were joins, and how many of those are open.
	wantsRoom  bool
	joinsSent  int
	joinsOpen  int
	heartbeats []waitingHeartbeat
	syncs      *syncBatch // waits in the executor with nothing behind it; nil: none does
}

// roomID is the id of the room.
func (st *roomSession) roomID() string { return st.executor.Room() }

// waitingHeartbeat is a heartbeat that waits for the joins before it, so many.
type waitingHeartbeat struct {
	joins  int
	answer func()
}

// waitForJoins lets a heartbeat wait for the joins before it. It reports false when
// too many do. sock.mu is held.
func (st *roomSession) waitForJoins(answer func()) bool {
	if len(st.heartbeats) >= maxQueuedTasks {
		return false
	}
	st.heartbeats = append(st.heartbeats, waitingHeartbeat{st.joinsSent, answer})
	return true
}

// joinDone ends a join and answers the heartbeats that waited for it.
func (st *roomSession) joinDone() {
	s := st.sock
	s.mu.Lock()
	st.joinsOpen--
	if st.joinsOpen == 0 {
		st.wantsRoom = st.wantsRoom && st.member.Load() != nil
	}
	due := 0
	for due < len(st.heartbeats) && st.heartbeats[due].joins <= st.joinsSent-st.joinsOpen {
		due++
	}
	beats := st.heartbeats[:due]
	if st.heartbeats = st.heartbeats[due:]; len(st.heartbeats) == 0 {
		st.heartbeats = nil
	}
	s.mu.Unlock()
	if s.conn.Ended() {
		return
	}
	for _, b := range beats {
		b.answer()
	}
}

// Connect makes a socket known.
func (e *Sockets) Connect(p clientConn) *Socket {
	s := &Socket{eng: e, conn: p}
	e.mu.Lock()
	e.all[s] = struct{}{}
	e.mu.Unlock()
	return s
}

// Known is how many sockets are known.
func (e *Sockets) Known() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all)
}

// session returns the room session for a room; nil if there is none. s.mu is held.
func (s *Socket) session(room string) *roomSession {
	for _, st := range s.sessions {
		if st.roomID() == room {
			return st
		}
	}
	return nil
}

// wantedSessions counts the rooms that the socket is in or on its way into, and
// returns the last of them. s.mu is held.
func (s *Socket) wantedSessions() (n int, last *roomSession) {
	for _, st := range s.sessions {
		if st.wantsRoom {
			n++
			last = st
		}
	}
	return n, last
}

// openSession returns the room session for a room, a new one if need be. s.mu is held.
func (s *Socket) openSession(room string) *roomSession {
	st := s.session(room)
	if st == nil {
		st = &roomSession{sock: s}
		st.executor.Init(room, st.closeIfEmpty)
		s.sessions = append(s.sessions, st)
	}
	return st
}

// maxQueuedTasks is how many operations may wait in one executor. A client that sends more
// without waiting for answers is refused with rate_limited.
const maxQueuedTasks = 1024

// maxQueuedBytes bounds the requests of a socket that wait; one that is larger waits
// alone.
const maxQueuedBytes = 4 << 20

// takes reports whether a request of so many bytes may wait. s.mu is held.
func (s *Socket) takes(size int) bool { return s.queued == 0 || s.queued+size <= maxQueuedBytes }

// post queues an operation of a request of so many bytes. When too many wait already, the
// client is refused with rate_limited. s.mu is held.
func (st *roomSession) post(a Acker, size int, op func(deadline time.Time)) bool {
	s, e := st.sock, st.sock.eng
	st.syncs = nil
	deadline := e.requestDeadline()
	ok := s.takes(size) && st.executor.Post(func() {
		op(deadline)
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
	}, maxQueuedTasks, e.start)
	if !ok {
		a.Answer(wire.AppendRefusal(nil, wire.ErrTooManyWaiting))
		return false
	}
	s.queued += size
	return true
}

// requestDeadline is when the store must have answered what a request asks of
// it from now on.
func (e *Node) requestDeadline() time.Time {
	return e.deadlines.After(e.clock.Now())
}

// Evicted implements Session.
func (st *roomSession) Evicted(m *ownedMember, cut bool, cleanUp func(*serial.Executor)) {
	s := st.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.member.CompareAndSwap(m, nil) {
		st.wantsRoom = st.wantsRoom && st.joinsOpen > 0
	}
	st.executor.PostFront(func() {
		st.leaveRoom(cut)
		cleanUp(&st.executor)
	}, s.eng.start)
}

// The methods of Session.

func (st *roomSession) Executor() *serial.Executor { return &st.executor }
func (st *roomSession) Deliver(f Frame)            { st.sock.conn.Deliver(f) }
func (st *roomSession) LastPacket() time.Time      { return st.sock.conn.LastPacket() }
func (st *roomSession) Busy() bool                 { return st.sock.conn.Busy() }
func (st *roomSession) Gone() bool                 { return st.sock.gone() }
func (st *roomSession) Closed() bool               { return st.sock.isClosed() }

// Take implements Session.
func (st *roomSession) Take(m *ownedMember) (before *ownedMember) {
	before = st.member.Load()
	st.sock.conn.Enter(st.sock.eng.RoomName(st.roomID()))
	st.setMember(m)
	return before
}

// PutBack implements Session.
func (st *roomSession) PutBack(before *ownedMember) {
	st.setMember(before)
	if before == nil {
		st.sock.conn.Exit(st.sock.eng.RoomName(st.roomID()))
	}
}

func (st *roomSession) setMember(m *ownedMember) {
	st.sock.mu.Lock()
	defer st.sock.mu.Unlock()
	st.member.Store(m)
}

// LeaveOrHandOff implements Session: plain members leave, resumable ones are handed over.
func (st *roomSession) LeaveOrHandOff(ctx context.Context) (left bool) {
	m := st.member.Load()
	if m == nil {
		return false
	}
	st.detach(m, m.graceMs == 0)
	if m.graceMs > 0 {
		m.handOff(ctx, &st.executor, m.disconnectNow(store.ReasonShutdown, m.graceMs))
		return true
	}
	_ = m.depart(ctx, &st.executor, store.ReasonShutdown) // what fails is in doubt
	return false
}

// leaveRoom takes the socket out of the Socket.IO room, unless it joined again meanwhile.
// With cut, a socket that is in no room any more is disconnected for good. An operation of
// the executor.
func (st *roomSession) leaveRoom(cut bool) {
	if st.member.Load() != nil {
		return
	}
	s := st.sock
	s.conn.Exit(st.sock.eng.RoomName(st.roomID()))
	s.mu.Lock()
	wanted, _ := s.wantedSessions()
	s.mu.Unlock()
	if cut && wanted == 0 {
		s.conn.Disconnect()
	}
}

// closeIfEmpty removes a room session that holds nothing and waits for nothing, and
// gives its room back.
func (st *roomSession) closeIfEmpty() {
	s := st.sock
	s.mu.Lock()
	var r *ownRoom
	vacant := false
	st.executor.IfIdle(func() {
		if vacant = st.member.Load() == nil; vacant {
			r, st.room = st.room, nil
		}
	})
	if vacant {
		st.wantsRoom = false
		s.sessions = slices.DeleteFunc(s.sessions, func(other *roomSession) bool { return other == st })
	}
	s.mu.Unlock()
	if r != nil {
		r.release()
	}
}

func (s *Socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// GaveUp implements IDSocket.
func (s *Socket) GaveUp(epoch int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.minEpoch = max(s.minEpoch, epoch)
}

// IDTaken implements IDSocket.
func (s *Socket) IDTaken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idTaken = true
}

// gone reports whether no answer can reach the client any more. The close that follows may
// not have come yet. s.mu is not held.
func (s *Socket) gone() bool { return s.conn.Ended() || s.isClosed() }

// Users lists the user ids of the socket in its rooms, for the log.
func (s *Socket) Users() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, st := range s.sessions {
		if m := st.member.Load(); m != nil && !slices.Contains(names, m.userID) {
			names = append(names, m.userID)
		}
	}
	return strings.Join(names, " ")
}

// Close ends the socket: its plain members leave, resumable ones go into
// grace unless the end was clean. Whatever it asked for before comes first.
func (s *Socket) Close(reason store.Reason, clean bool) {
	e := s.eng
	e.mu.Lock()
	delete(e.all, s)
	e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	now := e.storeNow() // a grace does not begin later because the store is slow
	for _, st := range s.sessions {
		st.wantsRoom = false
		e.schedule(&st.executor, func() { st.disconnect(reason, clean, now) })
	}
}

// disconnect is what the end of the connection, at a time of the store's clock,
// means to one room. An operation of the executor.
func (st *roomSession) disconnect(reason store.Reason, clean bool, atMs int64) {
	m := st.member.Load()
	if m == nil {
		return
	}
	lives := m.graceMs > 0 && !clean
	st.detach(m, !lives)
	if lives {
		m.beginGrace(&st.executor, m.disconnectAt(atMs, reason, m.graceMs))
		return
	}
	ctx, cancel := st.sock.eng.storeContext()
	defer cancel()
	_ = m.depart(ctx, &st.executor, reason) // if it failed, it is remembered
}

// detach takes the owned member from its room session by the socket's own doing, so that
// the socket does not hear of it: to leave the room, or to live on without one.
// Called by operations of the executor.
func (st *roomSession) detach(m *ownedMember, leaving bool) {
	m.detach(leaving)
	s := st.sock
	s.mu.Lock()
	st.member.CompareAndSwap(m, nil)
	s.mu.Unlock()
	s.conn.Exit(s.eng.RoomName(st.roomID()))
}
