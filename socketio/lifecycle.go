package socketio

import (
	"errors"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// phase is how far a socket has come.
type phase uint8

const (
	phaseConnecting phase = iota // middleware decides
	phaseOpening                 // CONNECT is queued, OnConnect runs
	phaseReady                   // events are handled
	phaseClosed
)

func (s *Socket) connecting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == phaseConnecting
}

func (s *Socket) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == phaseClosed
}

// start lets a new socket join: at once if the namespace has no Use and no OnConnect
// function, else on a goroutine, which then goes on to handle the socket's messages.
func (s *Socket) start() {
	h := s.ns.hooks.Load()
	if len(h.admit) == 0 && len(h.connect) == 0 {
		s.open(phaseReady)
		return
	}
	s.mu.Lock()
	if s.phase == phaseClosed { // while it waited
		s.mu.Unlock()
		return
	}
	s.running = true
	s.busy++
	s.mu.Unlock()
	s.ns.server.work.Go(func() {
		s.decide(h)
		s.run()
	})
}

// decide runs the functions of Use, and if none refuses those of OnConnect.
func (s *Socket) decide(h *hooks) {
	ctx := lazyContext{s}
	for _, f := range h.admit {
		if err := s.guard(func() error { return f(ctx, s) }); err != nil {
			s.refuse(err)
			return
		}
		if s.closed() {
			return
		}
	}
	if !s.open(phaseOpening) {
		return
	}
	for _, f := range h.connect {
		_ = s.guard(func() error { f(ctx, s); return nil })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseOpening {
		s.phase = phaseReady
		s.wakeReader()
	}
}

// refuse ends a socket that never joined. The client gets a CONNECT_ERROR unless it
// has left: then it may be waiting for the answer to its next attempt.
func (s *Socket) refuse(err error) {
	s.conn.remove(s)
	if !s.close(ReasonServerDisconnect) { // no hook hears of it
		return
	}
	var told *ConnectError
	if !errors.As(err, &told) && !errors.Is(err, errInternal) { // a panic was logged
		s.ns.server.refusals.Warn("middleware refused a socket", "namespace", s.ns.name, "error", err)
	}
	s.conn.refuse(s.ns.name, err)
}

// open makes the socket a member of its namespace, unless the connection ended
// before: the CONNECT packet goes first, then broadcasts may reach it.
func (s *Socket) open(next phase) bool {
	s.mu.Lock()
	if s.phase != phaseConnecting {
		s.mu.Unlock()
		return false
	}
	s.phase, s.announced = next, true
	s.mu.Unlock()
	s.conn.joined()
	b := appendHeader(make([]byte, 0, 64), typeConnect, 0, s.ns.name)
	b = append(b, `{"sid":"`...)
	b = append(b, s.id...)
	b = append(b, `"}`...)
	_ = s.conn.session.Send(engineio.NewFrame(b, false)) // closing: HandleClose follows
	s.ns.list(s)
	return true
}

// close ends the socket, and reports false when it has ended before. The
// OnDisconnecting functions run and its rooms are left at once; the
// OnDisconnect functions run as soon as no handler does.
func (s *Socket) close(reason Reason) bool {
	s.mu.Lock()
	if s.phase == phaseClosed {
		s.mu.Unlock()
		return false
	}
	s.phase, s.reason = phaseClosed, reason
	if reason == ReasonServerDisconnect {
		s.head, s.tail, s.queued, s.queuedBytes = nil, nil, 0, 0
	}
	if s.running || !s.announced {
		s.conn.leave(s)
	}
	announced, cancel, questions := s.announced, s.cancel, s.questions
	s.questions = nil
	s.busy++ // the end is not reported before the rooms are left
	s.wakeReader()
	s.mu.Unlock()

	if announced {
		for _, f := range s.ns.hooks.Load().disconnecting {
			_ = s.guard(func() error { f(s, reason); return nil })
		}
	}
	s.ns.drop(s)
	if cancel != nil {
		cancel()
	}
	for _, answer := range questions {
		close(answer)
	}
	if announced && reason == ReasonServerDisconnect {
		_ = s.conn.session.Send(engineio.NewFrame(appendHeader(nil, typeDisconnect, 0, s.ns.name), false))
	}
	s.leaveBusy()
	return true
}

// enterBusy marks the start of a handler; it fails once the socket is closed.
func (s *Socket) enterBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.phase == phaseOpening {
		if !s.waitForWake() {
			return false
		}
	}
	if s.phase != phaseReady {
		return false
	}
	s.busy++
	return true
}

// leaveBusy marks the end of a handler. The last one after the socket was
// closed reports its end.
func (s *Socket) leaveBusy() {
	s.mu.Lock()
	s.busy--
	last := s.busy == 0 && s.phase == phaseClosed && s.announced
	s.mu.Unlock()
	if !last {
		return
	}
	for _, f := range s.ns.hooks.Load().disconnect {
		_ = s.guard(func() error { f(s, s.reason); return nil })
	}
}
