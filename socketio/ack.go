package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// Ack answers one message, once. It is a small value that may be copied, kept
// as long as needed, and used from any goroutine; copies count as one. The zero
// value, and that of a message whose client asked for no answer, does nothing.
type Ack struct{ state *ackState }

type ackState struct {
	socket *Socket
	id     uint64
	done   atomic.Bool
}

// Send encodes the arguments as JSON and answers with them; a []byte becomes a
// binary attachment, a json.RawMessage is taken as it is. It never blocks. It
// fails with [ErrAnswered] the second time, with [ErrDisconnected] when the
// socket is gone, or when an argument cannot be encoded, in which case the
// message can still be answered.
func (a Ack) Send(args ...any) error {
	if a.state == nil {
		return nil
	}
	encoded, binary, err := encodeArgs(args)
	if err != nil {
		return fmt.Errorf("socketio: acknowledge: %w", err)
	}
	return a.send(encoded, binary)
}

// SendRaw answers with arguments that are JSON text already; nil is null. It
// checks and copies them, and is otherwise like [Ack.Send].
func (a Ack) SendRaw(args ...json.RawMessage) error {
	return a.send(args, nil)
}

// SendTrusted is [Ack.SendRaw] with one argument that the caller has written
// itself: it is not checked. If it is not valid JSON the client closes its
// connection. The argument is head, then body, unless that is nil, then tail. A
// body is a long text that is not copied, since the answers to many messages have
// it in common. With one SendTrusted fails with [ErrBusy], and the message can still
// be answered, while the connection has too much to send already.
func (a Ack) SendTrusted(head []byte, body *engineio.Body, tail []byte) error {
	if a.state == nil {
		return nil
	}
	if !a.state.done.CompareAndSwap(false, true) {
		return ErrAnswered
	}
	s := a.state.socket
	if body == nil {
		return s.transmit(a.state.trustedFrame(head, tail))
	}
	err := s.transmitWithin(s.ns.server.patientQueue, a.state.sharedFrame(head, body, tail))
	if errors.Is(err, ErrBusy) {
		a.state.done.Store(false)
	}
	return err
}

// trustedFrame is the answer with one argument that is known to be valid JSON.
func (a *ackState) trustedFrame(head, tail []byte) *engineio.Frame {
	var room [maxHeader]byte
	return engineio.NewTextFrame(append(a.appendHeader(room[:0], 0), '['), head, tail, closeArray)
}

// appendHeader appends everything of the answer's packet that stands before its
// payload.
func (a *ackState) appendHeader(dst []byte, attachments int) []byte {
	t := typeAck
	if attachments > 0 {
		t = typeBinaryAck
	}
	return strconv.AppendUint(appendHeader(dst, t, attachments, a.socket.ns.name), a.id, 10)
}

var closeArray = []byte{']'}

// sharedFrame is trustedFrame around a text that is not copied.
func (a *ackState) sharedFrame(head []byte, body *engineio.Body, tail []byte) *engineio.Frame {
	var room [maxHeader]byte
	return engineio.NewSharedFrame(append(append(a.appendHeader(room[:0], 0), '['), head...), body, append(slices.Clip(tail), closeArray...))
}

// Wanted reports whether the client waits for an answer.
func (a Ack) Wanted() bool { return a.state != nil }

// SendBinary answers with JSON text whose placeholders stand for attachments,
// as [Message.Args] and [Message.Binary] return them. It copies both, and is
// otherwise like [Ack.Send].
func (a Ack) SendBinary(attachments [][]byte, args ...json.RawMessage) error {
	return a.send(args, attachments)
}

func (a Ack) send(args []json.RawMessage, binary [][]byte) error {
	if a.state == nil {
		return nil
	}
	s := a.state.socket
	text := newScratch()
	defer text.free()
	text.b = a.state.appendHeader(text.b, len(binary))
	start := len(text.b)
	var err error
	if text.b, err = appendArgs(text.b, args); err != nil {
		return fmt.Errorf("socketio: acknowledge: %w", err)
	}
	if len(binary) > 0 && !placeholdersWithin(text.b[start:], len(binary)) {
		return fmt.Errorf("socketio: acknowledge: %w", errPlaceholder)
	}
	if !a.state.done.CompareAndSwap(false, true) {
		return ErrAnswered
	}
	frame := engineio.NewFrame(text.b, false)
	if len(binary) == 0 {
		return s.transmit(frame)
	}
	return s.transmit(withAttachments([]*engineio.Frame{frame}, binary)...)
}

// EmitWithAck sends an event like [Socket.Emit] and waits for the client's
// answer. The deadline of ctx is the timeout; without one it waits until the
// socket disconnects, which fails with [ErrDisconnected]. It must not be called
// from an inline handler: answers are read by the goroutine that runs it. From
// a handler registered with [Namespace.On] it is fine.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (*Message, error) {
	answer := make(chan *Message, 1)
	id, err := s.expect(answer)
	if err != nil {
		return nil, err
	}
	p, err := encodeQuestion(s.ns.name, id, event, args)
	if err == nil {
		err = s.emit(&outgoing{packet: p})
	}
	if err != nil {
		s.forget(id)
		return nil, err
	}
	select {
	case m, ok := <-answer:
		if !ok {
			return nil, ErrDisconnected
		}
		return m, nil
	case <-ctx.Done():
		s.forget(id)
		return nil, fmt.Errorf("socketio: event %q was not acknowledged: %w", event, ctx.Err())
	}
}

// expect registers a channel for the answer to the next question. The channel
// gets one message, or is closed when the socket disconnects.
func (s *Socket) expect(answer chan *Message) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseClosed {
		return 0, ErrDisconnected
	}
	if s.questions == nil {
		s.questions = make(map[uint64]chan *Message)
	}
	id := s.lastQuestion
	s.lastQuestion++
	s.questions[id] = answer
	return id, nil
}

func (s *Socket) forget(id uint64) chan *Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.questions[id]
	delete(s.questions, id)
	return answer
}

// answered hands a client's answer to the EmitWithAck that waits for it. Other
// answers, mostly late ones, are ignored.
func (s *Socket) answered(p *wirePacket, binary [][]byte) {
	answer := s.forget(p.id)
	if answer == nil {
		return
	}
	m := new(Message)
	m.fill(s, p, binary)
	m.own()
	answer <- m
}
