package presence

import (
	"slices"
	"time"
)

// heartbeat handles presence:heartbeat. It does not block, and without a patch
// it does not leave the node.
func (s *socket) heartbeat(payload []byte, a answerer) {
	e := s.eng
	p, err := parseHeartbeat(payload, e.limits)
	var st *seat
	if err == nil {
		st, err = s.routeHeartbeat(&p, a)
	}
	if st != nil {
		st.startPatch(p.epoch, p.edit, a)
	}
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "heartbeat")))
	}
}

// routeHeartbeat answers at once what needs no store, and queues the rest
// behind the requests that came before. Where there are none, it takes the lane
// of the seat that it returns for the patch.
func (s *socket) routeHeartbeat(p *heartbeatPayload, a answerer) (*seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.seatOf(p.roomID)
	if p.roomID == "" {
		rooms, last := s.wantedSeats()
		if rooms > 1 && !p.edit.none() {
			return nil, invalid("roomId is missing: this connection is in %d rooms, and a patch is for one.", rooms)
		}
		if rooms > 1 {
			s.beatAll(last, a)
			return nil, nil
		}
		st = last
	}
	if st == nil || !st.wanted {
		return nil, notJoined(p.roomID)
	}
	epoch := p.epoch
	switch {
	case p.edit.none() && st.joining == 0:
		st.answerBeat(epoch, a)
		return nil, nil
	case p.edit.none() && st.wait(func() { st.answerBeat(epoch, a) }):
		return nil, nil
	case !p.edit.none() && st.begin():
		return st, nil
	}
	edit := p.edit.clone()
	st.post(a, edit.size(), func(deadline time.Time) { st.runHeartbeat(deadline, epoch, edit, a) })
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
			s.eng.answerHeartbeat(a, heartbeatAck{})
		} else {
			a.answer(appendRefusal(nil, notJoined("")))
		}
	})
	if !waits {
		s.eng.answerHeartbeat(a, heartbeatAck{})
	}
}

// answerBeat answers a heartbeat without a patch.
func (st *seat) answerBeat(epoch optional, a answerer) {
	m := st.member.Load()
	if m == nil {
		a.answer(appendRefusal(nil, notJoined(st.roomID)))
		return
	}
	st.sock.eng.answerHeartbeat(a, m.heard(epoch))
}

// heard is the answer to a heartbeat that changes nothing.
func (m *membership) heard(epoch optional) heartbeatAck {
	return heartbeatAck{epoch: m.epoch.Load(), stale: epoch.given && epoch.value < m.clientEpoch.Load()}
}

// runHeartbeat is the lane's half of a heartbeat with a patch. One whose socket is gone
// is not carried out, but for a member that lives on: the page that resumes it finds
// what it had sent.
func (st *seat) runHeartbeat(deadline time.Time, epoch optional, d edit, a answerer) {
	if m := st.member.Load(); st.sock.gone() && (m == nil || m.graceMs == 0) {
		return
	}
	ack, err := st.tryPatch(deadline, epoch, d)
	st.answerPatch(a, ack, err)
}

func (st *seat) answerPatch(a answerer, ack heartbeatAck, err error) {
	if err != nil {
		a.answer(appendRefusal(nil, st.sock.eng.refusal(err, "heartbeat")))
		return
	}
	st.sock.eng.answerHeartbeat(a, ack)
}
