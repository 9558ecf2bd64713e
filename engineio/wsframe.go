package engineio

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// closeError is a fault of the client that ends its WebSocket with a close code.
type closeError struct {
	code ws.StatusCode
	text string
}

func (e *closeError) Error() string { return "engineio: " + e.text }

var (
	errTooLarge = &closeError{ws.StatusMessageTooBig, "message too large"}
	errUTF8     = &closeError{ws.StatusInvalidFramePayloadData, "text is not UTF-8"}
	errLength   = &closeError{ws.StatusProtocolError, "bad frame length"}
)

// message is a whole WebSocket message, or a control frame. The zero value is none.
type message struct {
	op   ws.OpCode
	data []byte // valid until the next bytes are read
}

// frameParser takes the bytes of a client apart into messages. It holds memory only while a
// message is incomplete that is fragmented or does not fit into the read buffer.
type frameParser struct {
	part *partial
}

// partial is a message of which some was consumed.
type partial struct {
	data []byte
	left int // bytes of the current frame yet to come
	pos  int // bytes of the current frame so far
	mask [4]byte
	op   ws.OpCode
	fin  bool // the current frame is the last
}

// next takes the next message out of b, unmasking it in place, and returns how many bytes it has
// consumed. No message and none consumed: more bytes must be read behind those of b first. room is
// the size of the buffer that b may grow to; limit bounds a message. After an error the parser
// must not be used again.
func (p *frameParser) next(b []byte, room, limit int) (m message, n int, err error) {
	if p.part != nil && p.part.left > 0 {
		m, n = p.more(b)
		return m, n, nil
	}
	h, n, err := parseHeader(b)
	if n == 0 || err != nil {
		return message{}, 0, err
	}
	if err := p.check(h, limit); err != nil {
		return message{}, 0, err
	}
	total := n + int(h.Length)
	if total > len(b) && total <= room {
		return message{}, 0, nil
	}
	if total <= len(b) && (h.OpCode.IsControl() || h.Fin && p.part == nil) {
		data := b[n:total]
		ws.Cipher(data, h.Mask, 0)
		return message{h.OpCode, data}, total, nil
	}
	if p.part == nil {
		p.part = &partial{op: h.OpCode}
	}
	p.part.left, p.part.pos = int(h.Length), 0
	p.part.mask, p.part.fin = h.Mask, h.Fin
	m, took := p.more(b[n:])
	return m, n + took, nil
}

// more adds to the incomplete message what b has of its current frame.
func (p *frameParser) more(b []byte) (m message, n int) {
	part := p.part
	n = min(len(b), part.left)
	start := len(part.data)
	part.data = append(part.data, b[:n]...)
	ws.Cipher(part.data[start:], part.mask, part.pos)
	part.pos += n
	part.left -= n
	if part.left > 0 || !part.fin {
		return message{}, n
	}
	p.part = nil
	return message{part.op, part.data}, n
}

// check refuses a frame that may not come now.
func (p *frameParser) check(h ws.Header, limit int) error {
	state := ws.StateServerSide
	have := 0
	if p.part != nil {
		state = state.Set(ws.StateFragmented)
		have = len(p.part.data)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return &closeError{ws.StatusProtocolError, err.Error()}
	}
	if h.OpCode.IsData() && h.Length > int64(limit-have) {
		return errTooLarge
	}
	return nil
}

// parseHeader parses the frame header that b begins with; n is its length, 0 if b ends before it.
func parseHeader(b []byte) (h ws.Header, n int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] >> 4 & 7
	h.OpCode = ws.OpCode(b[0] & 0x0f)
	h.Masked = b[1]&0x80 != 0
	n = 2
	switch length := b[1] & 0x7f; length {
	default:
		h.Length = int64(length)
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		n = 4
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		long := binary.BigEndian.Uint64(b[2:])
		if long>>63 != 0 {
			return h, 0, errLength
		}
		h.Length = int64(long)
		n = 10
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		n += copy(h.Mask[:], b[n:n+4])
	}
	return h, n, nil
}
