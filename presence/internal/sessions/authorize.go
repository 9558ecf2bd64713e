package sessions

import (
	"context"
	"errors"
	"slices"

	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// maxAuthorizing is for how many joins of one socket Options.Authorize runs at
// once: a client that joins a hundred rooms must not ask a hundred questions of the
// application's database at the same moment.
const maxAuthorizing = 8

// authorizeLimit is the joins of a socket that are in Options.Authorize, and those
// that wait for their turn, in order. Guarded by the socket's lock.
type authorizeLimit struct {
	running int
	waiting []chan struct{}
}

// acquireAuthorize waits for a turn, which releaseAuthorize ends. It reports false when
// ctx ended first.
func (s *Socket) acquireAuthorize(ctx context.Context) bool {
	s.mu.Lock()
	if s.authorize == nil {
		s.authorize = new(authorizeLimit)
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
		s.releaseAuthorize()
	}
	return false
}

// releaseAuthorize passes the slot to the join that has waited longest.
func (s *Socket) releaseAuthorize() {
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

// mayJoin asks the application whether the socket may join, when its turn comes, and codes
// the answer. An operation of an executor.
func (s *Socket) mayJoin(ctx context.Context, allow Authorizer, r wire.JoinRequest) error {
	ss := s.all
	if !s.acquireAuthorize(ctx) {
		return ss.undecided()
	}
	defer s.releaseAuthorize()
	err := ss.CallApplication(func() error { return allow(ctx, r) })
	var coded *wire.Error
	var fault *core.PanicError
	if err == nil || errors.As(err, &coded) || errors.As(err, &fault) {
		return err
	}
	refused := wire.ErrForbidden
	if ctx.Err() != nil {
		refused = ss.undecided()
	}
	ss.Throttled.Warn("join refused: Options.Authorize returned an error", "room", wire.Clipped(r.RoomID), "user", wire.Clipped(r.UserID),
		"code", refused.Code, "error", truncatedError(err))
	return refused
}

// undecided is the answer to a join about which the application did not decide in time.
func (ss *Sockets) undecided() *wire.Error {
	if ss.Stopping.Load() {
		return wire.ErrShuttingDown
	}
	return wire.ErrUndecided
}
