package engineio

import "time"

const (
	// lateTick is the delay from which an alarm counts as late: the process was frozen or starved,
	// and a pong may wait unread.
	lateTick = 500 * time.Millisecond
	// lateGrace is how long the reader then gets to find it.
	lateGrace = 2 * time.Second
)

// startHeartbeat arms the first ping.
func (s *Session) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arm(s.srv.cfg.PingInterval)
}

// arm lets the session's one alarm ring d from now. Called with the lock.
func (s *Session) arm(d time.Duration) {
	s.due = s.srv.now() + d
	s.srv.alarms.set(s, s.due)
}

// tick is what the alarm does: ping, judge the missing pong, or end the wait after a close.
func (s *Session) tick() {
	s.mu.Lock()
	if s.srv.now() < s.due { // set again while the tick was under way
		s.mu.Unlock()
		return
	}
	switch state(s.state.Load()) {
	case stateOpen:
		s.beat()
	case stateClosing:
		if s.writing {
			s.arm(closeWait) // the writer closes it if nothing leaves
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.abort(s.reason)
	default:
		s.mu.Unlock()
	}
}

// beat is a tick of an open session. It takes over the lock.
func (s *Session) beat() {
	late := s.srv.now() - s.due
	switch {
	case !s.awaiting:
		s.awaiting = true
		if late > lateTick {
			late = 0
		}
		// From when the ping was due, so that delays do not add up; but the client gets its time.
		s.arm(s.srv.cfg.PingTimeout - min(late, s.srv.cfg.PingTimeout/2))
		s.enqueuePing()
		s.letGo() // the ping must not wait for a slow handler
		if s.unlockDirty() {
			s.flushDirty() // here: behind a busy flush loop it would wait for two goroutines to get their turn
		}
	case late > lateTick || s.turn:
		s.arm(min(lateGrace, s.srv.cfg.PingTimeout))
		s.mu.Unlock()
	default:
		s.mu.Unlock()
		s.finish(ReasonPingTimeout, nil)
	}
}

// enqueuePing queues a ping ahead of what a slow client has not read yet: the time for its answer does
// not grow with the backlog. A ping may stand anywhere between other packets, since clients do not count
// it among the frames of a message. Called with the lock.
func (s *Session) enqueuePing() {
	size := len(pingFrame.wire)
	if s.out == nil || s.out.held { // nothing waits for the client; the handshake may be there
		s.enqueue(size, pingFrame)
		return
	}
	s.out.addFirst(pingFrame)
	s.out.fresh += size
	s.outBytes += size
}

// overdue says whether the time for the pong has run out. Called with the lock.
func (s *Session) overdue() bool { return s.awaiting && s.srv.now() >= s.due }

// pong notes the answer to a ping. A pong without a ping is ignored.
func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.awaiting && s.isOpen() {
		s.awaiting = false
		s.arm(s.srv.cfg.PingInterval)
	}
}

// pingFrame is the heartbeat of every session.
var pingFrame = newPacket(string(rune(packetPing)))
