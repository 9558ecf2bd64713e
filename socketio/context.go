package socketio

import (
	"context"
	"time"
)

// lazyContext is what the handlers of a socket get: its context, which is made
// when somebody waits for its end or derives another from it. Most never do,
// and there are many sockets.
type lazyContext struct{ s *Socket }

func (c lazyContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (c lazyContext) Done() <-chan struct{} { return c.s.context().Done() }

func (c lazyContext) Err() error {
	if !c.s.closed() {
		return nil
	}
	return c.s.context().Err()
}

func (c lazyContext) Value(key any) any { return c.s.context().Value(key) }

// context returns the context of the socket's handlers, made when first needed.
func (s *Socket) context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancel(context.Background())
		if s.phase == phaseClosed {
			s.cancel()
		}
	}
	return s.ctx
}
