package sessions

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/owned"
)

// SilentInterval is how often connections are checked for silence.
const SilentInterval = time.Second

// SilenceDetector returns the check for connections from which nothing has come for
// SilentAfter, to be run every SilentInterval. It looks at a connection once in that time, as a rule.
func (ss *Sockets) SilenceDetector() func() {
	due := ss.Clock.Now().Add(SilentInterval)
	var catchesUp time.Time
	return func() {
		now := ss.Clock.Now()
		if now.Sub(due) > maxTickDelay { // what clients sent meanwhile has not been read
			catchesUp = now.Add(maxTickDelay)
		}
		due = now.Add(SilentInterval)
		if now.Before(catchesUp) {
			return
		}
		for _, s := range ss.silentSince(now.Add(-ss.SilentAfter)) {
			s.MarkSilent()
		}
	}
}

// silentSince lists the sockets from which nothing came after a time, and which are in a room
// or on their way into one.
func (ss *Sockets) silentSince(at time.Time) (list []*Socket) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for i := range ss.all {
		k := &ss.all[i]
		if !k.heard.Before(at) {
			continue // without a look at the socket
		}
		if k.heard = k.conn.LastPacket(); k.heard.Before(at) && k.hasSessions() {
			list = append(list, k.Socket)
		}
	}
	return list
}

func (s *Socket) hasSessions() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions) > 0
}

// MarkSilent has the socket's resumable members shown away, until it is heard again.
func (s *Socket) MarkSilent() {
	s.mu.Lock()
	if s.closed || s.silent || len(s.sessions) == 0 {
		s.mu.Unlock()
		return
	}
	s.silent = true
	s.mu.Unlock()
	ss, since := s.all, s.conn.LastPacket()
	s.conn.OnNextPacket(func() { ss.Go(s.markHeard) })
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
			s.all.Schedule(&st.executor, func() { st.show(away) })
		}
	}
}

// ShowAgain implements owned.Session.
func (st *session) ShowAgain(m *owned.Member) {
	s := st.sock
	s.mu.Lock()
	silent := s.silent
	s.mu.Unlock()
	if m.GraceMs > 0 && m.Away.Load() != silent {
		s.all.Schedule(&st.executor, func() { st.show(silent) })
	}
}

// show is an operation of the executor.
func (st *session) show(away bool) {
	ss := st.sock.all
	ctx, cancel := ss.StoreContext()
	defer cancel()
	step := func(ctx context.Context) error {
		m := st.member.Load()
		if m == nil || m.GraceMs == 0 || m.Away.Load() == away || !st.sock.stillSilent(away) {
			return nil
		}
		next := m.Record()
		next.Away = away
		next.Write++
		// A write without an answer is in doubt. If the store does not have the member, the next
		// load of the room has it checked, and ShowAgain follows.
		_, _, _ = m.Update(ctx, &st.executor, &next)
		return nil
	}
	if st.executor.ResolveInDoubt(ctx) != nil {
		ss.MarkInDoubt(&st.executor, step)
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

// maxTickDelay is how late a tick must be for the node to assume that it was frozen: then what
// clients sent has not been read yet.
const maxTickDelay = 2 * time.Second

// ConnReaper returns the check for silent connections, to be run every ReaperInterval.
func (ss *Sockets) ConnReaper() func() {
	due := ss.Clock.Now().Add(ss.ReaperInterval)
	return func() {
		now := ss.Clock.Now()
		slept := now.Sub(due) > maxTickDelay
		due = now.Add(ss.ReaperInterval)
		if slept {
			return // what came in meanwhile is read first
		}
		for _, s := range ss.silentSince(now.Add(-ss.Lookback)) {
			s.conn.Drop()
		}
	}
}
