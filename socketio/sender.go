package socketio

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// The sender of an event is one more argument at its end, which the server puts
// there and no client can forge. Only sockets that asked for it get it; the
// others would take it for an argument of the event.

// maxVolatileQueue is how many bytes may wait for a connection that still gets
// volatile events.
const maxVolatileQueue = 64 << 10

// ExpectSender acknowledges a message with text that the caller has written
// itself, as [Ack.SendTrusted] does. Each event that the socket gets after that
// acknowledgement, and none before it, has one more argument at its end: the
// sender that [Broadcaster.ToAs] was given, or null. That lasts until the socket
// disconnects. With the zero Ack it holds from now on. Where SendTrusted fails with
// [ErrBusy], so does ExpectSender, and changes nothing.
func (s *Socket) ExpectSender(a Ack, head []byte, body *engineio.Body, tail []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.expects
	s.expects = true
	switch {
	case a.state == nil:
		return nil
	case !a.state.done.CompareAndSwap(false, true):
		return ErrAnswered
	case !s.connected():
		return ErrDisconnected
	}
	if body == nil {
		return sendError(s.conn.session.Send(a.state.trustedFrame(head, tail)))
	}
	err := s.sendWithin(s.ns.server.patientQueue, a.state.sharedFrame(head, body, tail))
	if errors.Is(err, ErrBusy) {
		s.expects = before
		a.state.done.Store(false)
	}
	return err
}

// Reserve takes the events whose names begin with a prefix for one library. They
// end as they were sent for every socket, also for one that expects a sender. It
// fails when a prefix is reserved already; release gives it back.
func (n *Namespace) Reserve(prefix string) (release func(), err error) {
	n.register(func(h *hooks) {
		if h.anonymous != "" {
			err = errors.New("socketio: a prefix is reserved already")
			return
		}
		h.anonymous = prefix
	})
	if err != nil {
		return nil, err
	}
	return func() { n.register(func(h *hooks) { h.anonymous = "" }) }, nil
}

// outgoing is an event on its way to any number of sockets, which all hear it
// from the same sender.
type outgoing struct {
	packet   *Packet
	sender   json.RawMessage // nil: null
	volatile bool
	limit    int // how much may wait for a connection that still gets it; 0: what its queue holds

	signed []*engineio.Frame // with the sender; nil until needed
}

// emit queues an event as long as the socket is connected. What the socket
// expects cannot change between the choice of the frames and their queueing:
// Session.Send does not block.
func (s *Socket) emit(o *outgoing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connected() {
		return ErrDisconnected
	}
	if o.volatile && s.conn.session.Queued() > maxVolatileQueue {
		return nil
	}
	frames := o.packet.frames
	if s.expects {
		frames = o.framesWithSender(s.ns)
	}
	if o.limit > 0 {
		err := s.conn.session.SendWithin(o.limit, frames...)
		if errors.Is(err, engineio.ErrFull) {
			return ErrBusy
		}
		return sendError(err)
	}
	return sendError(s.conn.session.Send(frames...))
}

// framesWithSender returns what goes to sockets that expect a sender.
func (o *outgoing) framesWithSender(n *Namespace) []*engineio.Frame {
	p := o.packet
	made := p.nobody.Load()
	switch {
	case made != nil && (o.sender == nil || p.isAnonymous(made)):
		return *made
	case o.signed != nil:
		return o.signed
	case p.startsWith(n.hooks.Load().anonymous):
		p.nobody.Store(&p.frames)
		return p.frames
	case o.sender == nil:
		frames := p.framesFrom(null)
		p.nobody.Store(&frames)
		return frames
	}
	o.signed = p.framesFrom(o.sender)
	return o.signed
}

// isAnonymous tells whether the frames made for sockets that expect a sender are
// those for all.
func (p *Packet) isAnonymous(made *[]*engineio.Frame) bool { return made == &p.frames }

var (
	null  = []byte("null")
	comma = []byte{','}
)

// framesFrom is the packet's frames with a sender at the end.
func (p *Packet) framesFrom(sender []byte) []*engineio.Frame {
	text := p.frames[0].Payload()
	header := text[:len(text)-len(p.payload)]
	open := bytes.TrimRight(p.payload, " \t\r\n")
	open = open[:len(open)-1] // without its bracket
	frame := engineio.NewTextFrame(header, open, comma, sender, closeArray)
	return append([]*engineio.Frame{frame}, p.frames[1:]...)
}

// startsWith reports whether the name of the packet's event begins so; none
// begins with nothing.
func (p *Packet) startsWith(prefix string) bool {
	start := jsontext.Space(p.payload, jsontext.Space(p.payload, 0)+1) // over the bracket
	if prefix == "" || p.payload[start] != '"' {
		return false
	}
	name, _ := jsontext.Unquote(p.payload[start:jsontext.End(p.payload, start)])
	return len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix
}
