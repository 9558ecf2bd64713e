package engineio

import (
	"context"
	"log/slog"
	"slices"
)

const (
	// bigPart is the part of MaxQueueBytes above which a message is not judged as backlog: it would
	// leave too little room for what comes while it is being sent.
	bigPart = 4
	// foldPart is the part of MaxQueueBytes that must have come since a queue was last folded before
	// it is folded again: folding looks at all that waits.
	foldPart = 16
)

// backlog is the number of bytes that wait, without the big message. Called with the lock.
func (s *Session) backlog() int {
	if s.big == nil {
		return s.outBytes
	}
	return s.outBytes - s.big.exempt
}

// roomFor reports whether no more than limit bytes wait with a message of that size. Called with the
// lock.
func (s *Session) roomFor(size, limit int) bool {
	if size > s.srv.cfg.MaxQueueBytes/bigPart {
		return s.big == nil && s.backlog() <= limit
	}
	return s.backlog()+size <= limit || s.outBytes == 0
}

// offer queues a message if it may be. Called with the lock.
func (s *Session) offer(size int, frames []*Frame) error {
	bound := s.srv.cfg.MaxQueueBytes
	switch {
	case size <= bound/bigPart || s.big != nil && size <= bound:
		s.enqueue(size, frames...)
		if s.backlog() <= bound || s.relieve() {
			return nil
		}
		return ErrSlowConsumer
	case s.big != nil:
		return ErrTooLarge
	}
	big := new(bigMessage)
	if size > bound {
		if !s.srv.budget.hold(frames) {
			return ErrTooLarge
		}
		big.held = slices.Clone(frames)
	}
	s.big = big
	before := s.outBytes
	s.enqueue(0, bigBegin)
	s.enqueue(size, frames...)
	s.enqueue(0, bigEnd)
	big.exempt = s.outBytes - before
	return nil
}

// relieve shrinks a backlog that is above the bound, and reports whether that was enough. Called
// with the lock.
func (s *Session) relieve() bool {
	bound, q := s.srv.cfg.MaxQueueBytes, s.out
	if q.fresh >= bound/foldPart {
		s.outBytes -= q.fold()
		q.fresh = 0
		if s.backlog() <= bound {
			return true
		}
	}
	if !s.heals {
		return false
	}
	if less := q.shed(); less > 0 {
		s.outBytes -= less
		s.srv.spawn(func() {
			s.srv.logBacklog(slog.LevelInfo, "engine.io session gave changes up, its queue was full", s)
		})
	}
	return s.backlog() <= bound
}

// SetHeals says that the client notices a gap in a series of changes, and asks for what it missed.
// From now on, when too much waits for the session and folding is not enough, all changes of each
// series but the newest are given up instead of the connection.
func (s *Session) SetHeals() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heals = true
}

// Abort ends the session at once. What is queued is lost, and no close packet is sent: for a client
// that does not take what it is sent. HandleClose follows on another goroutine. It does not block.
func (s *Session) Abort(reason Reason) { s.abort(reason) }

// logBacklog says what happened to a session whose queue was full, and whose session it is. The
// handler is asked (see [Handler]), so no lock may be held.
func (srv *Server) logBacklog(level slog.Level, message string, s *Session) {
	whose := ""
	if h, ok := s.handler.(interface{ Identity() string }); ok {
		whose = h.Identity()
	}
	srv.slow.LogAttrs(context.Background(), level, message,
		slog.String("reason", string(ReasonSlowConsumer)), slog.String("user", whose),
		slog.String("address", s.Request().RemoteAddr), slog.String("transport", string(s.Transport())))
}
