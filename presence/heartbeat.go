package presence

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/rawjson"
	"github.com/realtime-ai/realtime-message-go/presence/store"
)

// heartbeat handles presence:heartbeat. It does not block, and without a patch
// it does not leave the node.
func (s *socket) heartbeat(payload []byte, a answerer) {
	e := s.eng
	p, err := parseHeartbeat(payload, e.limits)
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
			s.beatAll(last, a)
			return nil
		}
		st = last
	}
	if st == nil || !st.wanted {
		return notJoined(p.roomID)
	}
	epoch, patch := p.epoch, bytes.Clone(p.patch)
	switch {
	case patch == nil && st.joining == 0:
		st.answerBeat(epoch, a)
		return nil
	case patch == nil && st.wait(func() { st.answerBeat(epoch, a) }):
		return nil
	}
	st.post(a, len(patch), func(deadline time.Time) { st.runHeartbeat(deadline, epoch, patch, a) })
	return nil
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

// runHeartbeat is the lane's half of a heartbeat with a patch.
func (st *seat) runHeartbeat(deadline time.Time, epoch optional, patch []byte, a answerer) {
	ack, err := st.tryPatch(deadline, epoch, patch)
	if err != nil {
		a.answer(appendRefusal(nil, st.sock.eng.refusal(err, "heartbeat")))
		return
	}
	st.sock.eng.answerHeartbeat(a, ack)
}

// patchRoom is by how much a patch's text may be longer than a state: it may
// have spaces, and say a key twice.
const patchRoom = 4

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
	if limit := patchRoom * e.limits.stateBytes; len(patch) > limit {
		return ack, stateTooLarge(len(patch), e.limits.stateBytes)
	}
	ctx := e.near(deadline)
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
	seq, err := st.write(ctx, m, state)
	if err != nil {
		return ack, err
	}
	ack.epoch, ack.changed, ack.seq = m.epoch.Load(), true, seq
	return ack, nil
}

// write stores a new state of a member and returns the event's seq. One that the
// store lost meanwhile is restored first.
func (st *seat) write(ctx context.Context, m *membership, state []byte) (seq int64, err error) {
	for {
		next := m.record()
		next.State = state
		next.Write++
		found, seq, err := st.sock.eng.update(ctx, &st.lane, m, &next)
		if err != nil || found == store.Applied || found == store.Repeated {
			return seq, err
		}
		if restored, err := st.explain(ctx, m, found); err != nil || !restored {
			return 0, err
		}
	}
}
