package presence

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// socket is one Socket.IO connection with all the rooms that it is in or on
// its way into.
type socket struct {
	eng  *engine
	peer peer

	mu     sync.Mutex
	seats  []*seat // few: looked through
	closed bool
	// floor is the highest epoch of a membership that this socket gave up:
	// epochs of a connId only rise.
	floor int64
	// idTaken: the connId that is the socket's own id lives on as somebody else's.
	idTaken bool
	queued  int  // bytes of the requests that wait
	heals   bool // it has sent a sync: it notices gaps
	// silent: nothing has come for so long that its resumable members are shown away.
	silent bool

	relayLane *lane // of the events it relays; nil before the first
	// full is closed when the others have room for what it relayed; nil: they have.
	full      chan struct{}
	heldUntil time.Time // when they had room last after they had none; of the lane

	authorize *authorizing // its joins in Options.Authorize; nil before the first
}

// seat is a socket's place in one room: its requests for that room take effect
// in the order sent.
type seat struct {
	lane
	sock *socket
	room *room // acquired by the first join; of the lane

	member atomic.Pointer[membership] // nil: not in the room

	// Guarded by sock.mu: whether the requests read so far leave the socket in
	// the room, how many of them were joins, and how many of those are open.
	wanted  bool
	sender  bool // of the lane: the join under way asks to be told senders
	joins   int
	joining int
	beats   []waitingBeat
	syncs   *syncBatch // waits in the lane with nothing behind it; nil: none does
}

// waitingBeat is a heartbeat that waits for the joins before it, so many.
type waitingBeat struct {
	joins  int
	answer func()
}

// wait lets a heartbeat wait for the joins before it. It reports false when
// too many do. sock.mu is held.
func (st *seat) wait(answer func()) bool {
	if len(st.beats) >= maxQueued {
		return false
	}
	st.beats = append(st.beats, waitingBeat{st.joins, answer})
	return true
}

// joinDone ends a join and answers the heartbeats that waited for it.
func (st *seat) joinDone() {
	s := st.sock
	s.mu.Lock()
	st.joining--
	if st.joining == 0 {
		st.wanted = st.wanted && st.member.Load() != nil
	}
	due := 0
	for due < len(st.beats) && st.beats[due].joins <= st.joins-st.joining {
		due++
	}
	beats := st.beats[:due]
	if st.beats = st.beats[due:]; len(st.beats) == 0 {
		st.beats = nil
	}
	s.mu.Unlock()
	if s.peer.ended() {
		return
	}
	for _, b := range beats {
		b.answer()
	}
}

// connect makes a socket known to the engine.
func (e *engine) connect(p peer) *socket {
	s := &socket{eng: e, peer: p}
	e.mu.Lock()
	e.sockets[s] = struct{}{}
	e.mu.Unlock()
	return s
}

// seatOf returns the seat for a room; nil if there is none. s.mu is held.
func (s *socket) seatOf(room string) *seat {
	for _, st := range s.seats {
		if st.roomID == room {
			return st
		}
	}
	return nil
}

// wantedSeats counts the rooms that the socket is in or on its way into, and
// returns the last of them. s.mu is held.
func (s *socket) wantedSeats() (n int, last *seat) {
	for _, st := range s.seats {
		if st.wanted {
			n++
			last = st
		}
	}
	return n, last
}

// seatFor returns the seat for a room, a new one if need be. s.mu is held.
func (s *socket) seatFor(room string) *seat {
	st := s.seatOf(room)
	if st == nil {
		st = &seat{lane: lane{roomID: room}, sock: s}
		st.lane.idle = st.dropIfVacant
		s.seats = append(s.seats, st)
	}
	return st
}

// maxQueuedBytes bounds the requests of a socket that wait; one that is larger waits
// alone.
const maxQueuedBytes = 4 << 20

// takes reports whether a request of so many bytes may wait. s.mu is held.
func (s *socket) takes(size int) bool { return s.queued == 0 || s.queued+size <= maxQueuedBytes }

// post queues an operation of a request of so many bytes; when too many wait
// already, the client is told to slow down. s.mu is held.
func (st *seat) post(a answerer, size int, op func(deadline time.Time)) bool {
	s, e := st.sock, st.sock.eng
	st.syncs = nil
	deadline := e.requestDeadline()
	ok := s.takes(size) && st.lane.post(func() {
		op(deadline)
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
	}, maxQueued, e.start)
	if !ok {
		a.answer(appendRefusal(nil, errTooManyWaiting))
		return false
	}
	s.queued += size
	return true
}

// requestDeadline is when the store must have answered what a request asks of
// it from now on.
func (e *engine) requestDeadline() time.Time {
	return e.clock.Now().Add(e.storeTimeout - e.storeTimeout/10) // the answer takes some time too
}

// vacate takes the membership from the seat after somebody else ended it, and
// runs then before any request that waits. The room's lock is held.
func (st *seat) vacate(m *membership, then func()) {
	s := st.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.member.CompareAndSwap(m, nil) {
		s.floor = max(s.floor, m.epoch.Load())
		st.wanted = st.wanted && st.joining > 0
	}
	st.lane.postFirst(then, s.eng.start)
}

// leaveRoom takes the socket out of the Socket.IO room, unless it joined again
// meanwhile. With cut, one that is in no room any more is told not to come back.
// An operation of the lane.
func (st *seat) leaveRoom(cut bool) {
	if st.member.Load() != nil {
		return
	}
	s := st.sock
	s.peer.exit(st.sock.eng.roomName(st.roomID))
	s.mu.Lock()
	rooms, _ := s.wantedSeats()
	s.mu.Unlock()
	if cut && rooms == 0 {
		s.peer.disconnect()
	}
}

// dropIfVacant removes a seat that holds nothing and waits for nothing, and
// gives its room back.
func (st *seat) dropIfVacant() {
	s := st.sock
	s.mu.Lock()
	st.lane.mu.Lock()
	vacant := !st.lane.busy && st.member.Load() == nil && len(st.unsettled) == 0
	var r *room
	if vacant {
		r, st.room = st.room, nil
	}
	st.lane.mu.Unlock()
	if vacant {
		st.wanted = false
		s.seats = slices.DeleteFunc(s.seats, func(other *seat) bool { return other == st })
	}
	s.mu.Unlock()
	if r != nil {
		s.eng.release(r)
	}
}

func (s *socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// gone reports whether nobody is there any more to hear an answer; the close that
// follows may not have come yet. s.mu is not held.
func (s *socket) gone() bool { return s.peer.ended() || s.isClosed() }

// users lists who the socket is in its rooms, for the log.
func (s *socket) users() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, st := range s.seats {
		if m := st.member.Load(); m != nil && !slices.Contains(names, m.userID) {
			names = append(names, m.userID)
		}
	}
	return strings.Join(names, " ")
}

// close ends the socket: its plain members leave, resumable ones go into
// grace unless the end was clean. Whatever it asked for before comes first.
func (s *socket) close(reason Reason, clean bool) {
	e := s.eng
	e.mu.Lock()
	delete(e.sockets, s)
	e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	now := e.storeNow() // a grace does not begin later because the store is slow
	for _, st := range s.seats {
		st.wanted = false
		e.later(&st.lane, func() { st.disconnect(reason, clean, now) })
	}
}

// disconnect is what the end of the connection, at a time of the store's clock,
// means to one room. An operation of the lane.
func (st *seat) disconnect(reason Reason, clean bool, atMs int64) {
	m := st.member.Load()
	if m == nil {
		return
	}
	lives := m.graceMs > 0 && !clean
	st.detach(m, !lives)
	if lives {
		m.beginGrace(&st.lane, loss{reason: reason, atMs: atMs, untilMs: atMs + m.graceMs, shown: m.away.Load()})
		return
	}
	ctx, cancel := st.sock.eng.bounded()
	defer cancel()
	_ = st.sock.eng.depart(ctx, &st.lane, m, reason) // if it failed, it is remembered
}

// detach takes the membership from its seat by the socket's own doing, so that
// the socket does not hear of it: to leave the room, or to live on without one.
// Called by operations of the lane.
func (st *seat) detach(m *membership, leaving bool) {
	r, s := m.room, st.sock
	r.mu.Lock()
	r.noteLastPacket(m)
	r.silence(m)
	if stands := r.members[m.connID]; stands != nil { // the socket cannot be asked any more
		stands.seenMs = r.lastSeenMs(stands)
	}
	m.seat, m.leaving = nil, leaving
	r.mu.Unlock()
	s.mu.Lock()
	st.member.CompareAndSwap(m, nil)
	s.floor = max(s.floor, m.epoch.Load())
	s.mu.Unlock()
	s.peer.exit(st.sock.eng.roomName(st.roomID))
}
