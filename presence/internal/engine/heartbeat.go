package engine

import (
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Heartbeat handles presence:heartbeat. It does not block, and without a patch
// it does not leave the node.
func (s *Socket) Heartbeat(payload []byte, a Acker) {
	e := s.eng
	p, err := wire.ParseHeartbeat(payload, e.Limits)
	var st *roomSession
	if err == nil {
		st, err = s.routeHeartbeat(&p, a)
	}
	if st != nil {
		st.startPatch(p.Epoch, p.Edit, a)
	}
	if err != nil {
		e.Refuse(a, err, "heartbeat")
	}
}

// routeHeartbeat answers at once what needs no store, and queues the rest
// behind the requests that came before. Where there are none, it takes the executor
// of the room session that it returns for the patch.
func (s *Socket) routeHeartbeat(p *wire.Heartbeat, a Acker) (*roomSession, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.session(p.RoomID)
	if p.RoomID == "" {
		wanted, last := s.wantedSessions()
		if wanted > 1 && !p.Edit.None() {
			return nil, wire.Invalid("roomId is missing: this connection is in %d rooms, and a patch is for one.", wanted)
		}
		if wanted > 1 {
			s.ackForAllRooms(last, a)
			return nil, nil
		}
		st = last
	}
	if st == nil || !st.wantsRoom {
		return nil, wire.NotJoined(p.RoomID)
	}
	epoch := p.Epoch
	switch {
	case p.Edit.None() && st.joinsOpen == 0:
		st.ackHeartbeat(epoch, a)
		return nil, nil
	case p.Edit.None() && st.waitForJoins(func() { st.ackHeartbeat(epoch, a) }):
		return nil, nil
	case !p.Edit.None() && st.executor.TryAcquire():
		return st, nil
	}
	edit := p.Edit.Clone()
	st.post(a, edit.Size(), func(deadline time.Time) { st.runHeartbeat(deadline, epoch, edit, a) })
	return nil, nil
}

// ackForAllRooms answers a heartbeat for all rooms: at once if the socket is in any,
// else behind the joins on their way. s.mu is held.
func (s *Socket) ackForAllRooms(last *roomSession, a Acker) {
	in := func() bool {
		return slices.ContainsFunc(s.sessions, func(st *roomSession) bool { return st.wantsRoom && st.member.Load() != nil })
	}
	waits := !in() && last.waitForJoins(func() {
		s.mu.Lock()
		ok := in()
		s.mu.Unlock()
		if ok {
			s.eng.answerHeartbeat(a, wire.HeartbeatAck{})
		} else {
			a.Answer(wire.AppendRefusal(nil, wire.NotJoined("")))
		}
	})
	if !waits {
		s.eng.answerHeartbeat(a, wire.HeartbeatAck{})
	}
}

// ackHeartbeat answers a heartbeat without a patch.
func (st *roomSession) ackHeartbeat(epoch wire.Optional, a Acker) {
	m := st.member.Load()
	if m == nil {
		a.Answer(wire.AppendRefusal(nil, wire.NotJoined(st.roomID())))
		return
	}
	st.sock.eng.answerHeartbeat(a, currentAck(m, epoch))
}

// currentAck is the answer to a heartbeat that changes nothing.
func currentAck(m *ownedMember, epoch wire.Optional) wire.HeartbeatAck {
	return wire.HeartbeatAck{Epoch: m.epoch.Load(), Stale: epoch.Given && epoch.Value < m.clientEpoch.Load()}
}

// runHeartbeat is the executor's part of a heartbeat with a patch. If the socket has gone, the
// patch is dropped, except for a member with a grace: the page that resumes it must find
// what it had sent.
func (st *roomSession) runHeartbeat(deadline time.Time, epoch wire.Optional, d wire.Edit, a Acker) {
	if m := st.member.Load(); st.sock.gone() && (m == nil || m.graceMs == 0) {
		return
	}
	ack, err := st.tryPatch(deadline, epoch, d)
	st.answerPatch(a, ack, err)
}

func (st *roomSession) answerPatch(a Acker, ack wire.HeartbeatAck, err error) {
	if err != nil {
		st.sock.eng.Refuse(a, err, "heartbeat")
		return
	}
	st.sock.eng.answerHeartbeat(a, ack)
}
