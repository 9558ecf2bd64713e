package engineio

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/series"
)

// Frame is one outbound Engine.IO message, encoded once. It is immutable, and may be sent to any
// number of sessions from any goroutine.
type Frame struct {
	wire []byte // as a WebSocket carries it: frame header, then the payload
	more *more  // what only some frames have
	head uint8  // length of that header
	kind frameKind
}

// more is the rest of a frame that is not one piece of text, or that a backlog may do without.
type more struct {
	text   []byte // follows wire; other frames may have the same bytes
	tail   []byte // follows text
	body   *Body  // what text is of, if its memory is counted
	change *series.Change
	base   *Frame // the frame as it was made, if this is a renumbered copy
}

type frameKind uint8

const (
	textFrame    frameKind = iota // the payload is a packet, its type first
	binaryFrame                   // the payload is a binary message
	controlFrame                  // only for the WebSocket it was made for
	markFrame                     // no bytes: a big message begins or ends here
)

// smallRoom is the wire size up to which a frame and its bytes share one allocation.
const smallRoom = 88

type smallFrame struct {
	Frame
	room [smallRoom]byte
}

// NewFrame encodes a message. The payload is copied, so the caller may reuse it. Text must be valid
// UTF-8. Of small messages the frame and its bytes share one allocation.
func NewFrame(payload []byte, binary bool) *Frame {
	if binary {
		f := allocFrame(ws.OpBinary, len(payload))
		f.kind = binaryFrame
		f.wire = append(f.wire, payload...)
		return f
	}
	return NewTextFrame(payload)
}

// NewTextFrame is [NewFrame] for text in several parts, which are joined.
func NewTextFrame(parts ...[]byte) *Frame {
	size := 1
	for _, p := range parts {
		size += len(p)
	}
	f := allocFrame(ws.OpText, size)
	f.wire = append(f.wire, packetMessage)
	for _, p := range parts {
		f.wire = append(f.wire, p...)
	}
	return f
}

// asText returns a binary frame as a text frame in base64, for a client that has no binary frames;
// other frames as they are.
func (f *Frame) asText() *Frame {
	if f.kind != binaryFrame {
		return f
	}
	t := allocFrame(ws.OpText, packetLen(f))
	t.wire = append(t.wire, packetBinary)
	t.wire = base64.StdEncoding.AppendEncode(t.wire, f.payload())
	return t
}

// NewSharedFrame encodes a text message of three parts, of which the middle one is not copied:
// frames of any number of sessions can have it in common.
func NewSharedFrame(head []byte, body *Body, tail []byte) *Frame {
	size := 1 + len(head) + len(body.text) + len(tail)
	f := &Frame{
		wire: make([]byte, 0, headerLen(size)+1+len(head)),
		more: &more{text: body.text, tail: append([]byte(nil), tail...), body: body},
		head: uint8(headerLen(size)),
	}
	f.wire = append(appendHeader(f.wire, ws.OpText, size), packetMessage)
	f.wire = append(f.wire, head...)
	return f
}

// size is the number of bytes of the whole frame on a WebSocket.
func (f *Frame) size() int {
	if f.more == nil {
		return len(f.wire)
	}
	return len(f.wire) + len(f.more.text) + len(f.more.tail)
}

// shares reports whether the frame has a long piece that is not copied.
func (f *Frame) shares() bool { return f.more != nil && len(f.more.text) > writeSize }

// part returns the piece i of a frame, in the order in which they are sent, and whether it is the
// last one that has bytes.
func (f *Frame) part(i int) (piece []byte, last bool) {
	switch {
	case i == 0:
		return f.wire, !f.joined()
	case i == 1:
		return f.more.text, len(f.more.tail) == 0
	}
	return f.more.tail, true
}

// joined reports whether the frame has more than one piece.
func (f *Frame) joined() bool { return f.more != nil && len(f.more.text)+len(f.more.tail) > 0 }

// newPacket encodes a packet that is not a message.
func newPacket(packet string) *Frame {
	f := allocFrame(ws.OpText, len(packet))
	f.wire = append(f.wire, packet...)
	return f
}

// newControl encodes a WebSocket control frame with at most 125 bytes of data.
func newControl(op ws.OpCode, data []byte) *Frame {
	f := allocFrame(op, len(data))
	f.kind = controlFrame
	f.wire = append(f.wire, data...)
	return f
}

// newCloseFrame encodes the WebSocket frame that says goodbye; text must be short.
func newCloseFrame(code ws.StatusCode, text string) *Frame {
	return newControl(ws.OpClose, ws.NewCloseFrameBody(code, text))
}

// allocFrame returns a text frame with its header in place and room for size bytes of payload.
func allocFrame(op ws.OpCode, size int) *Frame {
	var f *Frame
	head := headerLen(size)
	if head+size <= smallRoom {
		s := new(smallFrame)
		f = &s.Frame
		f.wire = s.room[:0]
	} else {
		f = &Frame{wire: make([]byte, 0, head+size)}
	}
	f.head = uint8(head)
	f.wire = appendHeader(f.wire, op, size)
	return f
}

// payload is what the first piece of a frame has behind its header: all of it, but for shared and
// renumbered frames.
func (f *Frame) payload() []byte { return f.wire[f.head:] }

// Payload returns the message. It must not be changed: only of frames made by [NewSharedFrame] it is
// a copy.
func (f *Frame) Payload() []byte {
	p := f.payload()
	if f.joined() {
		p = slices.Concat(p, f.more.text, f.more.tail)
	}
	if f.kind == textFrame {
		return p[1:] // the packet's type
	}
	return p
}

func headerLen(size int) int {
	switch {
	case size <= 125:
		return 2
	case size <= 0xffff:
		return 4
	default:
		return 10
	}
}

// appendHeader appends the header of an unmasked, unfragmented WebSocket frame.
func appendHeader(dst []byte, op ws.OpCode, size int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch headerLen(size) {
	case 2:
		return append(dst, byte(size))
	case 4:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(size))
	}
}
