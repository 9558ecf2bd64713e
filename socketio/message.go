package socketio

import (
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// Message is an event that a client sent, or a client's answer to
// [Socket.EmitWithAck]. Its JSON was checked when it arrived and stays text
// until somebody decodes it; its bytes must not be modified.
//
// A handler registered with [Namespace.On] may keep the message. One registered
// with [Namespace.OnInline] or [Namespace.OnAny] must not: the message and
// every byte reached through it are only valid during the call ([Message.Ack]
// may be kept).
type Message struct {
	socket   *Socket
	next     *Message // in the socket's queue
	handler  Handler
	event    string
	payload  []byte
	index    jsontext.Index
	spans    atomic.Pointer[[]jsontext.Span] // of all elements; made when one past those of index is asked for
	binary   [][]byte
	id       uint64
	wantsAck bool
	answer   bool // to an event of ours: its array has no name in front
	ack      *ackState
}

// Event returns the event's name; an answer has none.
func (m *Message) Event() string { return m.event }

// Len returns the number of arguments, the event's name not counted.
func (m *Message) Len() int { return m.index.Len() - m.offset() }

// offset is where the arguments start in the payload.
func (m *Message) offset() int {
	if m.answer || m.index.Len() == 0 {
		return 0
	}
	return 1
}

// Arg returns the text of argument i, counted from 0 without the event's name,
// or nil if there are not as many. A binary argument is a placeholder here; see
// [Message.BinaryArg].
func (m *Message) Arg(i int) json.RawMessage {
	if i < 0 || i >= m.Len() {
		return nil
	}
	if i += m.offset(); i < jsontext.KeptSpans {
		return m.index.First(i).In(m.payload)
	}
	return m.allSpans()[i].In(m.payload)
}

// allSpans looks for the arguments once, so that asking for each of them costs
// no more than the message is long.
func (m *Message) allSpans() []jsontext.Span {
	if spans := m.spans.Load(); spans != nil {
		return *spans
	}
	spans := m.index.All(m.payload)
	m.spans.Store(&spans)
	return spans
}

// Args returns all arguments, the event's name not among them.
func (m *Message) Args() []json.RawMessage {
	args := make([]json.RawMessage, m.Len())
	for i := range args {
		args[i] = m.Arg(i)
	}
	return args
}

// Raw returns the whole JSON array as it came: of an event with its name as
// the first element, of an answer the arguments only.
func (m *Message) Raw() json.RawMessage { return m.payload }

// Binary returns the message's attachments in the order in which the
// placeholders in its arguments count them; nil when there are none.
func (m *Message) Binary() [][]byte { return m.binary }

// BinaryArg returns argument i if it is an attachment.
func (m *Message) BinaryArg(i int) ([]byte, bool) {
	n, ok := placeholderArg(m.Arg(i))
	if !ok || n >= len(m.binary) {
		return nil, false
	}
	return m.binary[n], true
}

// Ack returns what answers the message. It may be kept after the handler
// returned, whatever kind of handler that is.
func (m *Message) Ack() Ack {
	if !m.wantsAck {
		return Ack{}
	}
	if m.ack == nil {
		m.ack = &ackState{socket: m.socket, id: m.id}
	}
	return Ack{m.ack}
}

// fill makes m the message of a packet. Its bytes are borrowed from the packet.
func (m *Message) fill(s *Socket, p *wirePacket, binary [][]byte) {
	m.socket, m.payload, m.index, m.binary = s, p.payload, p.index, binary
	m.id, m.wantsAck = p.id, p.hasID
	if p.typ == typeAck || p.typ == typeBinaryAck {
		m.answer, m.wantsAck = true, false
	}
}

// size is the number of bytes that the client sent for m.
func (m *Message) size() int {
	n := len(m.payload)
	for _, b := range m.binary {
		n += len(b)
	}
	return n
}

// own gives m bytes of its own. Attachments are its own already.
func (m *Message) own() { m.payload = slices.Clone(m.payload) }
