package sessions

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Leave handles presence:leave. It does not block. The answer comes when every
// room is left.
func (s *Socket) Leave(payload []byte, a rooms.Acker) {
	ss := s.all
	p, err := wire.ParseLeave(payload, ss.Limits)
	if err != nil {
		ss.Refuse(a, err, "leave")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seats := slices.DeleteFunc(slices.Clone(s.sessions), func(st *session) bool {
		return p.RoomID != "" && st.roomID() != p.RoomID
	})
	var open atomic.Int32
	open.Store(int32(len(seats)) + 1)
	done := func() {
		if open.Add(-1) == 0 {
			a.Answer(ackOK)
		}
	}
	for _, st := range seats {
		if st.post(a, 0, func(deadline time.Time) { st.runLeave(deadline, p.GraceMs); done() }) {
			st.wantsRoom = false
		}
	}
	done()
}

// runLeave is the executor's half of a leave. One that the store did not answer is
// remembered and carried out later: to the client it is out of the room.
func (st *session) runLeave(deadline time.Time, grace wire.Optional) {
	m := st.member.Load()
	if m == nil {
		return
	}
	ss := st.sock.all
	ctx, cancel := ss.Deadlines.Until(deadline)
	defer cancel()
	leaves := grace.Value == 0 || m.GraceMs == 0
	st.detach(m, leaves)
	if leaves {
		_ = m.Depart(ctx, &st.executor, store.ReasonLeave)
		return
	}
	m.LeaveInGrace(ctx, &st.executor, grace.Value)
}

// Close ends the socket: its plain members leave, resumable ones go into
// grace unless the end was clean. Whatever it asked for before comes first.
func (s *Socket) Close(reason store.Reason, clean bool) {
	ss := s.all
	ss.forget(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	now := ss.StoreNow() // a grace does not begin later because the store is slow
	for _, st := range s.sessions {
		st.wantsRoom = false
		ss.Schedule(&st.executor, func() { st.disconnect(reason, clean, now) })
	}
}

// disconnect is what the end of the connection, at a time of the store's clock,
// means to one room. An operation of the executor.
func (st *session) disconnect(reason store.Reason, clean bool, atMs int64) {
	m := st.member.Load()
	if m == nil {
		return
	}
	lives := m.GraceMs > 0 && !clean
	st.detach(m, !lives)
	if lives {
		m.BeginGrace(&st.executor, m.DisconnectAt(atMs, reason, m.GraceMs))
		return
	}
	ctx, cancel := st.sock.all.StoreContext()
	defer cancel()
	_ = m.Depart(ctx, &st.executor, reason) // if it failed, it is remembered
}

// detach takes the owned member from its room session by the socket's own doing, so that
// the socket does not hear of it: to leave the room, or to live on without one.
// Called by operations of the executor.
func (st *session) detach(m *owned.Member, leaving bool) {
	m.Detach(leaving)
	s := st.sock
	s.mu.Lock()
	st.member.CompareAndSwap(m, nil)
	s.mu.Unlock()
	s.conn.Exit(s.all.RoomName(st.roomID()))
}

// leaveRoom takes the socket out of the Socket.IO room, unless it joined again meanwhile.
// With cut, a socket that is in no room any more is disconnected for good. An operation of
// the executor.
func (st *session) leaveRoom(cut bool) {
	if st.member.Load() != nil {
		return
	}
	s := st.sock
	s.conn.Exit(st.sock.all.RoomName(st.roomID()))
	s.mu.Lock()
	wanted, _ := s.wantedSessions()
	s.mu.Unlock()
	if cut && wanted == 0 {
		s.conn.Disconnect()
	}
}

// LeaveOrHandOff implements owned.Session: plain members leave, resumable ones are handed over.
func (st *session) LeaveOrHandOff(ctx context.Context) (left bool) {
	m := st.member.Load()
	if m == nil {
		return false
	}
	st.detach(m, m.GraceMs == 0)
	if m.GraceMs > 0 {
		m.HandOff(ctx, &st.executor, m.DisconnectNow(store.ReasonShutdown, m.GraceMs))
		return true
	}
	_ = m.Depart(ctx, &st.executor, store.ReasonShutdown) // what fails is in doubt
	return false
}
