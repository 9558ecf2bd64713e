package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// packetType is the first byte of a packet on the wire.
type packetType byte

const (
	typeConnect      packetType = '0'
	typeDisconnect   packetType = '1'
	typeEvent        packetType = '2'
	typeAck          packetType = '3'
	typeConnectError packetType = '4'
	typeBinaryEvent  packetType = '5'
	typeBinaryAck    packetType = '6'
)

// binary reports whether packets of this type announce attachments.
func (t packetType) binary() bool { return t == typeBinaryEvent || t == typeBinaryAck }

// maxNamespaceName bounds the name of a namespace, which a refusal repeats.
const maxNamespaceName = 1024

// maxAckDigits keeps acknowledgement ids within uint64, and far above 2^53,
// where the numbers of clients end.
const maxAckDigits = 18

// wirePacket is a packet as it came, cut into its parts. The slices point into
// the received bytes.
type wirePacket struct {
	typ         packetType
	hasID       bool
	attachments int
	id          uint64
	namespace   []byte // nil: "/"
	payload     []byte // the text after the header; nil when there is none
	index       jsontext.Index
	event       []byte // decoded name, for events
}

// errPacket is the reason why a packet was refused.
var errPacket = errors.New("malformed packet")

var (
	errNotUTF8 = badPacket("not valid UTF-8")
	errJSON    = errors.New("not valid JSON")
)

func badPacket(what string) error { return fmt.Errorf("%w: %s", errPacket, what) }

// parsePacket cuts a packet into its parts and checks it wholly, the payload's
// JSON included, so that nothing behind it has to be afraid of its bytes. b must be
// valid UTF-8, as each text message of engineio is.
func parsePacket(b []byte) (p wirePacket, err error) {
	if len(b) == 0 {
		return p, badPacket("empty")
	}
	p.typ = packetType(b[0])
	if p.typ < typeConnect || p.typ > typeBinaryAck {
		return p, badPacket("unknown type")
	}
	b = b[1:]
	if p.typ.binary() {
		if p.attachments, b, err = parseAttachments(b); err != nil {
			return p, err
		}
	}
	if len(b) > 0 && b[0] == '/' {
		p.namespace, b, _ = bytes.Cut(b, []byte{','})
		if len(p.namespace) > maxNamespaceName {
			return p, badPacket("illegal namespace")
		}
		if len(p.namespace) == 1 {
			p.namespace = nil
		}
	}
	if n, digits := leadingNumber(b); digits > 0 {
		if digits > maxAckDigits {
			return p, badPacket("acknowledgement id too long")
		}
		p.id, p.hasID = n, true
		b = b[digits:]
	}
	if len(b) > 0 {
		p.payload = b
	}
	return p, p.check()
}

func parseAttachments(b []byte) (n int, rest []byte, err error) {
	count, digits := leadingNumber(b)
	if digits == 0 || digits > 9 || digits == len(b) || b[digits] != '-' {
		return 0, nil, badPacket("illegal attachment count")
	}
	return int(count), b[digits+1:], nil
}

// leadingNumber reads the digits that b begins with, and counts them. Of more than
// maxAckDigits the number is not right.
func leadingNumber(b []byte) (n uint64, digits int) {
	for digits < len(b) && '0' <= b[digits] && b[digits] <= '9' {
		n = n*10 + uint64(b[digits]-'0')
		digits++
	}
	return n, digits
}

// check decides whether the payload is one that this type of packet may have.
func (p *wirePacket) check() error {
	switch p.typ {
	case typeDisconnect:
		if p.payload != nil {
			return badPacket("payload on a disconnect")
		}
	case typeConnect:
		if p.payload != nil && !jsontext.IsObject(p.payload) {
			return badPacket("connect payload is not an object")
		}
	case typeConnectError:
		return badPacket("connect error from a client")
	case typeAck, typeBinaryAck:
		if !p.hasID {
			return badPacket("acknowledgement without an id")
		}
		return p.checkArray()
	default:
		return p.checkEvent()
	}
	return nil
}

func (p *wirePacket) checkArray() error {
	var ok bool
	if p.index, ok = jsontext.IndexArray(p.payload); !ok {
		return badPacket("payload is not a JSON array")
	}
	if p.typ.binary() && !placeholdersWithin(p.payload, p.attachments) {
		return badPacket("illegal attachments")
	}
	return nil
}

func (p *wirePacket) checkEvent() error {
	if err := p.checkArray(); err != nil {
		return err
	}
	if p.index.Len() == 0 {
		return badPacket("event without a name")
	}
	name := p.index.First(0).In(p.payload)
	switch name[0] {
	case '"':
		p.event, _ = jsontext.Unquote(name)
	case '{', '[', 't', 'f', 'n':
		return badPacket("event name is not a string")
	default:
		p.event = name // a number, which clients in JavaScript may send, too
	}
	if eventname.Reserved(string(p.event)) {
		return badPacket("reserved event name")
	}
	return nil
}

// appendHeader appends everything of a packet that stands before its payload.
func appendHeader(dst []byte, t packetType, attachments int, namespace string) []byte {
	dst = append(dst, byte(t))
	if t.binary() {
		dst = strconv.AppendInt(dst, int64(attachments), 10)
		dst = append(dst, '-')
	}
	if namespace != "/" {
		dst = append(dst, namespace...)
		dst = append(dst, ',')
	}
	return dst
}

// appendArgs appends checked JSON values as one array. A nil value is null.
func appendArgs(dst []byte, args []json.RawMessage) ([]byte, error) {
	dst = append(dst, '[')
	for i, arg := range args {
		if i > 0 {
			dst = append(dst, ',')
		}
		if arg == nil {
			dst = append(dst, "null"...)
			continue
		}
		if !jsontext.Valid(arg) {
			return dst, fmt.Errorf("argument %d: %w", i, errJSON)
		}
		dst = append(dst, arg...)
	}
	return append(dst, ']'), nil
}
