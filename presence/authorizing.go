package presence

import (
	"context"
	"slices"
)

// maxAuthorizing is for how many joins of one socket Options.Authorize runs at
// once: a client that joins a hundred rooms must not ask a hundred questions of the
// application's database at the same moment.
const maxAuthorizing = 8

// authorizing is the joins of a socket that are in Options.Authorize, and those
// that wait for their turn, in order. Guarded by the socket's lock.
type authorizing struct {
	running int
	waiting []chan struct{}
}

// enterAuthorize waits for a turn, which leaveAuthorize ends. It reports false when
// ctx ended first.
func (s *socket) enterAuthorize(ctx context.Context) bool {
	s.mu.Lock()
	if s.authorize == nil {
		s.authorize = new(authorizing)
	}
	q := s.authorize
	if q.running < maxAuthorizing {
		q.running++
		s.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(q.waiting, turn)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // its turn came at the same moment
		s.leaveAuthorize()
	}
	return false
}

// leaveAuthorize gives the turn to who waits first.
func (s *socket) leaveAuthorize() {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.authorize
	if len(q.waiting) == 0 {
		q.running--
		return
	}
	close(q.waiting[0])
	q.waiting = slices.Delete(q.waiting, 0, 1)
}
