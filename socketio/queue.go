package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/realtime-ai/realtime-message-go/internal/clip"
)

// receive handles an event or an answer on the reading goroutine, which owns
// the bytes of the packet only until it returns.
func (s *Socket) receive(p *wirePacket, binary [][]byte) {
	if p.typ == typeAck || p.typ == typeBinaryAck {
		s.answered(p, binary)
		return
	}
	h := s.ns.hooks.Load()
	if to, ok := h.handlers[string(p.event)]; !ok {
		if h.others != nil {
			s.handleInline(handler{event: string(p.event), handle: h.others}, p, binary)
		} else {
			s.unhandled(p)
		}
	} else if to.inline {
		s.handleInline(to, p, binary)
	} else {
		s.enqueue(to, p, binary)
	}
}

// unhandled logs an event that has no handler.
func (s *Socket) unhandled(p *wirePacket) {
	log := s.ns.server.log
	if ctx := context.Background(); log.Enabled(ctx, slog.LevelDebug) {
		log.LogAttrs(ctx, slog.LevelDebug, "event without a handler",
			slog.String("namespace", s.ns.name), slog.String("event", clipped(string(p.event))), slog.String("socket", s.id))
	}
}

// clipped shortens the name of an event, which a client chose, for the log.
func clipped(event string) string { return clip.Text(event, 128) }

// messages holds those of inline handlers for reuse.
var messages = sync.Pool{New: func() any { return new(Message) }}

func (s *Socket) handleInline(to handler, p *wirePacket, binary [][]byte) {
	if !s.enterBusy() {
		return
	}
	defer s.leaveBusy()
	m := messages.Get().(*Message)
	m.event, m.handler = to.event, to.handle
	m.fill(s, p, binary)
	s.dispatch(lazyContext{s}, m)
	*m = Message{}
	messages.Put(m)
}

// enqueue gives a message to the socket's goroutine, and starts that if need be.
func (s *Socket) enqueue(to handler, p *wirePacket, binary [][]byte) {
	m := &Message{event: to.event, handler: to.handle}
	m.fill(s, p, binary)
	m.own()
	if s.push(m) {
		s.ns.server.work.Go(s.run)
	}
}

// push queues a message, waiting for room, and reports whether a goroutine has
// to be started.
func (s *Socket) push(m *Message) (start bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.queueFull() && s.phase != phaseClosed {
		if !s.waitForWake() {
			return false
		}
	}
	if s.phase == phaseClosed {
		return false
	}
	if s.tail == nil {
		s.head = m
	} else {
		s.tail.next = m
	}
	s.tail = m
	s.queued++
	s.queuedBytes += m.size()
	if s.running {
		return false
	}
	s.running = true
	s.busy++
	return true
}

// queueFull reports whether the next message has to wait for room. What it
// takes itself is not asked: an empty queue takes any. The caller holds s.mu.
func (s *Socket) queueFull() bool {
	return int(s.queued) >= s.ns.server.cfg.InboundQueue || s.queuedBytes >= s.ns.server.maxPayload
}

// pop takes the next message; nil ends the goroutine that asks, and ended says
// that the socket has ended before it.
func (s *Socket) pop() (m *Message, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.head
	if m == nil {
		s.running = false
		return nil, s.phase == phaseClosed
	}
	s.head, m.next = m.next, nil
	if s.head == nil {
		s.tail = nil
	}
	s.queued--
	s.queuedBytes -= m.size()
	s.wakeReader()
	return m, false
}

// run handles queued messages until there are none.
func (s *Socket) run() {
	defer s.leaveBusy()
	m, ended := s.pop()
	for ; m != nil; m, ended = s.pop() {
		s.dispatch(lazyContext{s}, m)
	}
	if ended {
		s.conn.release(s)
	}
}

// wakeReader lets the reading goroutine look again at what it waits for. The
// caller holds s.mu.
func (s *Socket) wakeReader() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// waitForWake makes the reading goroutine, which holds s.mu, wait until
// something about the socket has changed. It reports false when the session
// ended instead.
func (s *Socket) waitForWake() bool {
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	wake := s.wake
	s.mu.Unlock()
	defer s.mu.Lock()
	return s.conn.session.Wait(wake, 0)
}

// dispatch runs the handler of a message, and answers for its error.
func (s *Socket) dispatch(ctx context.Context, m *Message) {
	h := s.ns.hooks.Load()
	err := s.guard(func() error {
		for _, f := range h.message {
			if err := f(ctx, s, m); err != nil {
				return err
			}
		}
		return m.handler(ctx, s, m)
	})
	if err != nil {
		s.failed(ctx, h, m, err)
	}
}

// failed does what Namespace.OnError says with the error of a handler.
func (s *Socket) failed(ctx context.Context, h *hooks, m *Message, failure error) {
	var reply json.RawMessage
	if h.failed != nil {
		_ = s.guard(func() error { reply = h.failed(ctx, s, m, failure); return nil })
	} else {
		s.logFailure(m, failure)
		reply = ackPayload(failure)
	}
	if reply == nil {
		return
	}
	err := m.Ack().SendRaw(reply)
	if err != nil && !errors.Is(err, ErrAnswered) && !errors.Is(err, ErrDisconnected) {
		s.ns.server.log.Error("answer to a failed event not sent", "namespace", s.ns.name, "event", clipped(m.event), "error", err)
	}
}

func (s *Socket) logFailure(m *Message, failure error) {
	log := s.ns.server.log.Error
	var told *AckError
	if errors.As(failure, &told) || errors.Is(failure, ErrDisconnected) {
		log = s.ns.server.log.Debug
	}
	log("handler failed", "namespace", s.ns.name, "event", clipped(m.event), "socket", s.id, "error", failure)
}

// guard turns a panic of the application's code into an error, so that one
// message cannot end the process for everybody.
func (s *Socket) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.ns.server.log.Error("handler panicked", "namespace", s.ns.name, "socket", s.id,
				"panic", r, "stack", string(debug.Stack()))
			err = errInternal
		}
	}()
	return f()
}
