package presence

import (
	"context"
	"time"
)

// silentInterval is how often it is looked which connections are silent.
const silentInterval = time.Second

// silenceWatch returns the check for connections from which nothing has come for
// silentAfter, to be run every silentInterval. It costs a glance at each connection.
func (e *engine) silenceWatch() func() {
	due := e.clock.Now().Add(silentInterval)
	var catchesUp time.Time
	return func() {
		now := e.clock.Now()
		if now.Sub(due) > late { // what clients sent meanwhile lies unread
			catchesUp = now.Add(late)
		}
		due = now.Add(silentInterval)
		if now.Before(catchesUp) {
			return
		}
		for _, s := range e.silentSince(now.Add(-e.silentAfter)) {
			s.fallSilent()
		}
	}
}

// silentSince lists the sockets from which nothing came after a time.
func (e *engine) silentSince(at time.Time) (list []*socket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sockets {
		if s.peer.lastPacket().Before(at) {
			list = append(list, s)
		}
	}
	return list
}

// fallSilent has the socket's resumable members shown away, until it is heard again.
func (s *socket) fallSilent() {
	s.mu.Lock()
	if s.closed || s.silent || len(s.seats) == 0 {
		s.mu.Unlock()
		return
	}
	s.silent = true
	s.mu.Unlock()
	e, since := s.eng, s.peer.lastPacket()
	s.peer.onNextPacket(func() { e.start(s.hearAgain) })
	if s.peer.lastPacket() != since { // just before that
		s.hearAgain()
		return
	}
	s.show(true)
}

// hearAgain has the socket's members shown online again.
func (s *socket) hearAgain() {
	s.mu.Lock()
	was := s.silent
	s.silent = false
	s.mu.Unlock()
	if was {
		s.show(false)
	}
}

// show has the socket's members shown away or online, where they are not.
func (s *socket) show(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.seats {
		if st.member.Load() != nil {
			s.eng.later(&st.lane, func() { st.show(away) })
		}
	}
}

// show is an operation of the lane.
func (st *seat) show(away bool) {
	e := st.sock.eng
	ctx, cancel := e.bounded()
	defer cancel()
	step := func(ctx context.Context) error {
		m := st.member.Load()
		if m == nil || m.graceMs == 0 || m.away.Load() == away || !st.sock.isNow(away) {
			return nil
		}
		next := m.record()
		next.Away = away
		next.Write++
		// What has no answer is unsettled; what the store does not have, those see
		// to who find out why.
		_, _, _ = e.update(ctx, &st.lane, m, &next)
		return nil
	}
	if st.settle(ctx) != nil {
		e.unsettle(&st.lane, step)
		return
	}
	_ = step(ctx)
}

// isNow reports whether an open socket is silent, or not, as it is to be shown.
func (s *socket) isNow(silent bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.silent == silent
}
