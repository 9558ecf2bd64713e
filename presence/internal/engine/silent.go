package engine

import (
	"context"
	"time"
)

// silentInterval is how often connections are checked for silence.
const silentInterval = time.Second

// silenceDetector returns the check for connections from which nothing has come for
// SilentAfter, to be run every silentInterval. It costs a glance at each connection.
func (e *Sockets) silenceDetector() func() {
	due := e.clock.Now().Add(silentInterval)
	var catchesUp time.Time
	return func() {
		now := e.clock.Now()
		if now.Sub(due) > maxTickDelay { // what clients sent meanwhile has not been read
			catchesUp = now.Add(maxTickDelay)
		}
		due = now.Add(silentInterval)
		if now.Before(catchesUp) {
			return
		}
		for _, s := range e.silentSince(now.Add(-e.SilentAfter)) {
			s.markSilent()
		}
	}
}

// silentSince lists the sockets from which nothing came after a time, and which are in a room
// or on their way into one.
func (e *Sockets) silentSince(at time.Time) (list []*Socket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.all {
		if s.conn.LastPacket().Before(at) && s.hasSessions() {
			list = append(list, s)
		}
	}
	return list
}

func (s *Socket) hasSessions() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions) > 0
}

// markSilent has the socket's resumable members shown away, until it is heard again.
func (s *Socket) markSilent() {
	s.mu.Lock()
	if s.closed || s.silent || len(s.sessions) == 0 {
		s.mu.Unlock()
		return
	}
	s.silent = true
	s.mu.Unlock()
	e, since := s.eng, s.conn.LastPacket()
	s.conn.OnNextPacket(func() { e.start(s.markHeard) })
	if s.conn.LastPacket() != since { // just before that
		s.markHeard()
		return
	}
	s.show(true)
}

// markHeard has the socket's members shown online again.
func (s *Socket) markHeard() {
	s.mu.Lock()
	was := s.silent
	s.silent = false
	s.mu.Unlock()
	if was {
		s.show(false)
	}
}

// show has the socket's members shown away or online, where they are not.
func (s *Socket) show(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.sessions {
		if st.member.Load() != nil {
			s.eng.schedule(&st.executor, func() { st.show(away) })
		}
	}
}

// ShowAgain implements Session.
func (st *roomSession) ShowAgain(m *ownedMember) {
	s := st.sock
	s.mu.Lock()
	silent := s.silent
	s.mu.Unlock()
	if m.graceMs > 0 && m.away.Load() != silent {
		s.eng.schedule(&st.executor, func() { st.show(silent) })
	}
}

// show is an operation of the executor.
func (st *roomSession) show(away bool) {
	e := st.sock.eng
	ctx, cancel := e.storeContext()
	defer cancel()
	step := func(ctx context.Context) error {
		m := st.member.Load()
		if m == nil || m.graceMs == 0 || m.away.Load() == away || !st.sock.stillSilent(away) {
			return nil
		}
		next := m.record()
		next.Away = away
		next.Write++
		// A write without an answer is in doubt. If the store does not have the member, the
		// check of missing members finds out why.
		_, _, _ = m.update(ctx, &st.executor, &next)
		return nil
	}
	if st.executor.ResolveInDoubt(ctx) != nil {
		e.markInDoubt(&st.executor, step)
		return
	}
	_ = step(ctx)
}

// stillSilent reports whether an open socket is silent, or not, as it is to be shown.
func (s *Socket) stillSilent(silent bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && s.silent == silent
}
