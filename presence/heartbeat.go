package presence

import (
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// heartbeat handles presence:heartbeat. It does not block, and without a patch
// it does not leave the node.
func (s *socket) heartbeat(payload []byte, a answerer) {
	e := s.eng
	p, err := wire.ParseHeartbeat(payload, e.limits)
	var st *seat
	if err == nil {
		st, err = s.routeHeartbeat(&p, a)
	}
	if st != nil {
		st.startPatch(p.Epoch, p.Edit, a)
	}
	if err != nil {
		a.answer(wire.AppendRefusal(nil, e.refusal(err, "heartbeat")))
	}
}

// routeHeartbeat answers at once what needs no store, and queues the rest
// behind the requests that came before. Where there are none, it takes the lane
// of the seat that it returns for the patch.
func (s *socket) routeHeartbeat(p *wire.Heartbeat, a answerer) (*seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.seatOf(p.RoomID)
	if p.RoomID == "" {
		rooms, last := s.wantedSeats()
		if rooms > 1 && !p.Edit.None() {
			return nil, wire.Invalid("roomId is missing: this connection is in %d rooms, and a patch is for one.", rooms)
		}
		if rooms > 1 {
			s.beatAll(last, a)
			return nil, nil
		}
		st = last
	}
	if st == nil || !st.wanted {
		return nil, wire.NotJoined(p.RoomID)
	}
	epoch := p.Epoch
	switch {
	case p.Edit.None() && st.joining == 0:
		st.answerBeat(epoch, a)
		return nil, nil
	case p.Edit.None() && st.wait(func() { st.answerBeat(epoch, a) }):
		return nil, nil
	case !p.Edit.None() && st.begin():
		return st, nil
	}
	edit := p.Edit.Clone()
	st.post(a, edit.Size(), func(deadline time.Time) { st.runHeartbeat(deadline, epoch, edit, a) })
	return nil, nil
}

// beatAll answers a heartbeat for all rooms: at once if the socket is in any,
// else behind the joins on their way. s.mu is held.
func (s *socket) beatAll(last *seat, a answerer) {
	in := func() bool {
		return slices.ContainsFunc(s.seats, func(st *seat) bool { return st.wanted && st.member.Load() != nil })
	}
	waits := !in() && last.wait(func() {
		s.mu.Lock()
		ok := in()
		s.mu.Unlock()
		if ok {
			s.eng.answerHeartbeat(a, wire.HeartbeatAck{})
		} else {
			a.answer(wire.AppendRefusal(nil, wire.NotJoined("")))
		}
	})
	if !waits {
		s.eng.answerHeartbeat(a, wire.HeartbeatAck{})
	}
}

// answerBeat answers a heartbeat without a patch.
func (st *seat) answerBeat(epoch wire.Optional, a answerer) {
	m := st.member.Load()
	if m == nil {
		a.answer(wire.AppendRefusal(nil, wire.NotJoined(st.roomID)))
		return
	}
	st.sock.eng.answerHeartbeat(a, m.heard(epoch))
}

// heard is the answer to a heartbeat that changes nothing.
func (m *membership) heard(epoch wire.Optional) wire.HeartbeatAck {
	return wire.HeartbeatAck{Epoch: m.epoch.Load(), Stale: epoch.Given && epoch.Value < m.clientEpoch.Load()}
}

// runHeartbeat is the lane's half of a heartbeat with a patch. One whose socket is gone
// is not carried out, but for a member that lives on: the page that resumes it finds
// what it had sent.
func (st *seat) runHeartbeat(deadline time.Time, epoch wire.Optional, d wire.Edit, a answerer) {
	if m := st.member.Load(); st.sock.gone() && (m == nil || m.graceMs == 0) {
		return
	}
	ack, err := st.tryPatch(deadline, epoch, d)
	st.answerPatch(a, ack, err)
}

func (st *seat) answerPatch(a answerer, ack wire.HeartbeatAck, err error) {
	if err != nil {
		a.answer(wire.AppendRefusal(nil, st.sock.eng.refusal(err, "heartbeat")))
		return
	}
	st.sock.eng.answerHeartbeat(a, ack)
}
