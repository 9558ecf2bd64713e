package sessions

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// session is a room session, a socket's place in one room: its requests for that room take
// effect in the order sent. It is not the session of Engine.IO.
type session struct {
	executor serial.Executor
	sock     *Socket
	room     *owned.Room // acquired by the first join; of the executor

	member atomic.Pointer[owned.Member] // nil: not in the room

	// Guarded by sock.mu: whether the requests read so far leave the socket in
	// the room, how many of them were joins, and how many of those are open.
	wantsRoom  bool
	joinsSent  int
	joinsOpen  int
	heartbeats []waitingHeartbeat
	syncs      *syncBatch // waits in the executor with nothing behind it; nil: none does
}

// roomID is the id of the room.
func (st *session) roomID() string { return st.executor.Room() }

// waitingHeartbeat is a heartbeat that waits for the joins before it, so many.
type waitingHeartbeat struct {
	joins  int
	answer func()
}

// waitForJoins lets a heartbeat wait for the joins before it. It reports false when
// too many do. sock.mu is held.
func (st *session) waitForJoins(answer func()) bool {
	if len(st.heartbeats) >= maxQueuedTasks {
		return false
	}
	st.heartbeats = append(st.heartbeats, waitingHeartbeat{st.joinsSent, answer})
	return true
}

// joinDone ends a join and answers the heartbeats that waited for it.
func (st *session) joinDone() {
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

// post queues an operation of a request of so many bytes. When too many wait already, the
// client is refused with rate_limited. s.mu is held.
func (st *session) post(a rooms.Acker, size int, op func(deadline time.Time)) bool {
	s, ss := st.sock, st.sock.all
	st.syncs = nil
	deadline := ss.RequestDeadline()
	ok := s.takes(size) && st.executor.Post(func() {
		op(deadline)
		s.mu.Lock()
		s.queued -= size
		s.mu.Unlock()
	}, maxQueuedTasks, ss.Go)
	if !ok {
		a.Answer(wire.AppendRefusal(nil, wire.ErrTooManyWaiting))
		return false
	}
	s.queued += size
	return true
}

// Evicted implements owned.Session.
func (st *session) Evicted(m *owned.Member, cut bool, cleanUp func(*serial.Executor)) {
	s := st.sock
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.member.CompareAndSwap(m, nil) {
		st.wantsRoom = st.wantsRoom && st.joinsOpen > 0
	}
	st.executor.PostFront(func() {
		st.leaveRoom(cut)
		cleanUp(&st.executor)
	}, s.all.Go)
}

// The methods of owned.Session.

func (st *session) Executor() *serial.Executor { return &st.executor }

func (st *session) Deliver(f rooms.Frame) { st.sock.conn.Deliver(f) }

func (st *session) LastPacket() time.Time { return st.sock.conn.LastPacket() }

func (st *session) Busy() bool { return st.sock.conn.Busy() }

func (st *session) Gone() bool { return st.sock.gone() }

func (st *session) Closed() bool { return st.sock.isClosed() }

// Take implements owned.Session.
func (st *session) Take(m *owned.Member) (before *owned.Member) {
	before = st.member.Load()
	st.sock.conn.Enter(st.sock.all.RoomName(st.roomID()))
	st.setMember(m)
	return before
}

// PutBack implements owned.Session.
func (st *session) PutBack(before *owned.Member) {
	st.setMember(before)
	if before == nil {
		st.sock.conn.Exit(st.sock.all.RoomName(st.roomID()))
	}
}

func (st *session) setMember(m *owned.Member) {
	st.sock.mu.Lock()
	defer st.sock.mu.Unlock()
	st.member.Store(m)
}

// closeIfEmpty removes a room session that holds nothing and waits for nothing, and
// gives its room back.
func (st *session) closeIfEmpty() {
	s := st.sock
	s.mu.Lock()
	var r *owned.Room
	vacant := false
	st.executor.IfIdle(func() {
		if vacant = st.member.Load() == nil; vacant {
			r, st.room = st.room, nil
		}
	})
	if vacant {
		st.wantsRoom = false
		s.sessions = slices.DeleteFunc(s.sessions, func(other *session) bool { return other == st })
	}
	s.mu.Unlock()
	if r != nil {
		r.Release()
	}
}
