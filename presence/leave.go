package presence

import (
	"slices"
	"sync/atomic"
	"time"
)

// leave handles presence:leave. It does not block. The answer comes when every
// room is left.
func (s *socket) leave(payload []byte, a answerer) {
	e := s.eng
	p, err := parseLeave(payload, e.limits)
	if err != nil {
		a.answer(appendRefusal(nil, e.refusal(err, "leave")))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seats := slices.DeleteFunc(slices.Clone(s.seats), func(st *seat) bool {
		return p.roomID != "" && st.roomID != p.roomID
	})
	var open atomic.Int32
	open.Store(int32(len(seats)) + 1)
	done := func() {
		if open.Add(-1) == 0 {
			a.answer(ackOK)
		}
	}
	for _, st := range seats {
		if st.post(a, 0, func(deadline time.Time) { st.runLeave(deadline, p.grace); done() }) {
			st.wanted = false
		}
	}
	done()
}

// runLeave is the lane's half of a leave. One that the store did not answer is
// remembered and carried out later: to the client it is out of the room.
func (st *seat) runLeave(deadline time.Time, grace optional) {
	m := st.member.Load()
	if m == nil {
		return
	}
	e := st.sock.eng
	ctx, cancel := e.until(deadline)
	defer cancel()
	leaves := grace.value == 0 || m.graceMs == 0
	st.detach(m, leaves)
	if leaves {
		_ = e.depart(ctx, &st.lane, m, ReasonLeave)
		return
	}
	// The grace is stored: the page that resumes may reach another node, and
	// this one may stop before the grace ends.
	x := e.lossNow(ReasonLeave, grace.value)
	x.shown = m.away.Load()
	m.graceMs = grace.value // in place of the join's
	step := m.storeGrace(x)
	if st.settle(ctx) != nil || step(ctx) != nil {
		e.unsettle(&st.lane, step)
	}
	m.beginGrace(&st.lane, x)
}
