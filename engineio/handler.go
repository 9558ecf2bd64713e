package engineio

import (
	"context"
	"log/slog"
	"runtime/debug"
)

// The application's code runs on goroutines that serve other sessions too, or that have no recover of
// their own. A panic in it must cost no more than its own session.

// admitted lets the application take the session.
func (s *Session) admitted() {
	defer s.recovered()
	s.handler = nobody{}
	if h := s.srv.accept(s); h != nil {
		s.handler = h
		return
	}
	s.Close(ReasonForcedClose)
}

// nobody is the handler of a session for which accept returned none.
type nobody struct{}

func (nobody) HandleMessage([]byte, bool) {}
func (nobody) HandleClose(Reason)         {}

// message hands one message to the handler.
func (s *Session) message(data []byte, binary bool) {
	defer s.recovered()
	s.handler.HandleMessage(data, binary)
}

// tell calls HandleClose.
func (s *Session) tell(reason Reason) {
	defer s.recovered()
	if reason == ReasonSlowConsumer {
		s.srv.logBacklog(slog.LevelWarn, "engine.io session closed: its client reads too slowly", s)
	}
	s.handler.HandleClose(reason)
}

// recovered is deferred around the application's code.
func (s *Session) recovered() {
	r := recover()
	if r == nil {
		return
	}
	s.srv.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "engine.io handler panicked",
		slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
	s.Close(ReasonInternalError)
}
