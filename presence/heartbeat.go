package presence

import (
	"bytes"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawjson"
	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// heartbeat handles presence:heartbeat. It does not block, and without a patch
// it does not leave the node.
func (s *socket) heartbeat(payload []byte, a answerer) {
	e := s.eng
	p, err := parseHeartbeat(payload, e.limits)
	if err == nil && e.draining.Load() {
		err = errShuttingDown
	}
	if err == nil && len(p.patch) > e.limits.stateBytes {
		err = stateTooLarge(len(p.patch), e.limits.stateBytes)
	}
	if err == nil {
		err = s.routeHeartbeat(&p, a)
	}
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "heartbeat")))
	}
}

// routeHeartbeat answers at once what needs no store, and queues the rest
// behind the requests that came before.
func (s *socket) routeHeartbeat(p *heartbeatPayload, a answerer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.seatOf(p.roomID)
	if p.roomID == "" {
		rooms, last := s.wantedSeats()
		if rooms > 1 && p.patch != nil {
			return invalid("roomId is missing: this connection is in %d rooms, and a patch is for one.", rooms)
		}
		if rooms > 1 {
			a.answer(appendHeartbeatAck(nil, heartbeatAck{}))
			return nil
		}
		st = last
	}
	if st == nil {
		return notJoined(p.roomID)
	}
	if p.patch == nil && st.joining == 0 {
		m := st.member.Load()
		if m == nil || !st.wanted {
			return notJoined(p.roomID)
		}
		a.answer(appendHeartbeatAck(make([]byte, 0, 64), m.heard(p.epoch)))
		return nil
	}
	epoch, patch := p.epoch, bytes.Clone(p.patch)
	st.post(a, func(deadline time.Time) { st.runHeartbeat(deadline, epoch, patch, a) })
	return nil
}

// heard is the answer to a heartbeat that changes nothing.
func (m *membership) heard(epoch optional) heartbeatAck {
	return heartbeatAck{epoch: m.epoch.Load(), stale: epoch.given && epoch.value < m.clientEpoch.Load()}
}

// runHeartbeat is the lane's half of a heartbeat: behind a join, or with a patch.
func (st *seat) runHeartbeat(deadline time.Time, epoch optional, patch []byte, a answerer) {
	ack, err := st.tryPatch(deadline, epoch, patch)
	if err != nil {
		a.answer(appendRefusal(nil, st.sock.eng.refusal(err, "heartbeat")))
		return
	}
	a.answer(appendHeartbeatAck(make([]byte, 0, 64), ack))
}

func (st *seat) tryPatch(deadline time.Time, epoch optional, patch []byte) (heartbeatAck, error) {
	e := st.sock.eng
	m := st.member.Load()
	if m == nil {
		return heartbeatAck{}, notJoined(st.roomID)
	}
	ack := m.heard(epoch)
	if patch == nil || ack.stale {
		return ack, nil
	}
	ctx, cancel := e.until(deadline)
	defer cancel()
	if err := st.settle(ctx); err != nil {
		return ack, err
	}
	state, changed, err := rawjson.Merge(m.state, patch)
	if err != nil {
		return ack, invalid("patchState: %v.", err)
	}
	if !changed {
		return ack, nil
	}
	if len(state) > e.limits.stateBytes {
		return ack, stateTooLarge(len(state), e.limits.stateBytes)
	}
	next := m.record()
	next.State = state
	next.Write++
	res, err := e.update(ctx, &st.lane, m, next)
	if err != nil {
		return ack, err
	}
	if res.Outcome == store.Fenced || res.Outcome == store.Missing {
		return ack, st.lost(m, res.Outcome)
	}
	ack.changed, ack.seq = true, res.Member.Seq
	return ack, nil
}
