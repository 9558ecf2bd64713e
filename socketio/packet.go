package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
	"github.com/realtime-ai/realtime-message-go/internal/series"
)

// Packet is an event encoded once, ready to be sent to any number of sockets
// of its namespace. It is immutable and safe for concurrent use.
type Packet struct {
	namespace string
	payload   []byte
	binary    [][]byte
	frames    []*engineio.Frame
	one       [1]*engineio.Frame // frames points here when there is only one
	// nobody is frames for sockets that expect a sender, where there is none;
	// made when first needed.
	nobody atomic.Pointer[[]*engineio.Frame]
}

// NewEvent makes a packet of an event and its arguments, each of them JSON
// text; nil is null. It fails when an argument is not valid JSON, or when the
// name is one that Socket.IO keeps for itself.
func NewEvent(namespace, event string, args ...json.RawMessage) (*Packet, error) {
	return NewBinaryEvent(namespace, event, nil, args...)
}

// NewBinaryEvent is [NewEvent] with attachments, which placeholders in the
// arguments stand for, as [Message.Args] and [Message.Binary] return them.
// Arguments and attachments are copied.
func NewBinaryEvent(namespace, event string, attachments [][]byte, args ...json.RawMessage) (*Packet, error) {
	payload, err := eventPayload(event, args)
	if err != nil {
		return nil, err
	}
	if len(attachments) > 0 && !placeholdersWithin(payload, len(attachments)) {
		return nil, fmt.Errorf("socketio: event %q: %w", event, errPlaceholder)
	}
	return newPacket(cleanNamespace(namespace), payload, cloneAll(attachments)), nil
}

// NewEventRaw makes a packet of a whole JSON array, the event's name its first
// element: what [Message.Raw] returns. Attachments are what the array's
// placeholders stand for. Payload and attachments are copied.
func NewEventRaw(namespace string, payload []byte, attachments ...[]byte) (*Packet, error) {
	p := wirePacket{typ: typeEvent, attachments: len(attachments), payload: payload}
	if len(attachments) > 0 {
		p.typ = typeBinaryEvent
	}
	err := errNotUTF8
	if utf8.Valid(payload) {
		err = p.check()
	}
	if err != nil {
		return nil, fmt.Errorf("socketio: new event: %w", err)
	}
	return newPacket(cleanNamespace(namespace), payload, cloneAll(attachments)), nil
}

func cloneAll(list [][]byte) [][]byte {
	var own [][]byte
	for _, b := range list {
		own = append(own, slices.Clone(b))
	}
	return own
}

// Namespace returns the namespace that the packet was made for.
func (p *Packet) Namespace() string { return p.namespace }

// NewTrustedChange is [NewEventRaw] for package presence: for one of a series of
// changes, of which those that wait for a slow client may be folded, in text that the
// caller has written itself. It is not checked: if it is not an array with an event's
// name and valid JSON, the clients that get it close their connections. The places in
// c are those in the payload.
func NewTrustedChange(namespace string, payload []byte, c series.Change) *Packet {
	p := &Packet{namespace: cleanNamespace(namespace)}
	var room [maxHeader]byte
	header := appendHeader(room[:0], typeEvent, 0, p.namespace)
	c.PrevAt += len(header)
	p.one[0] = engineio.NewChangeFrame(c, header, payload)
	p.payload = p.one[0].Payload()[len(header):]
	p.frames = p.one[:]
	return p
}

// maxHeader is room for the header of most packets.
const maxHeader = 64

// newPacket makes the frames. It takes over the attachments, which were checked
// like the payload.
func newPacket(namespace string, payload []byte, binary [][]byte) *Packet {
	var room [maxHeader]byte
	return packetOf(namespace, appendHeader(room[:0], eventType(binary), len(binary), namespace), payload, binary)
}

// packetOf is newPacket with the header written already.
func packetOf(namespace string, header, payload []byte, binary [][]byte) *Packet {
	p := &Packet{namespace: namespace, binary: binary}
	p.one[0] = engineio.NewTextFrame(header, payload)
	p.payload = p.one[0].Payload()[len(header):]
	p.frames = withAttachments(p.one[:], binary)
	return p
}

func eventType(binary [][]byte) packetType {
	if len(binary) > 0 {
		return typeBinaryEvent
	}
	return typeEvent
}

func withAttachments(frames []*engineio.Frame, binary [][]byte) []*engineio.Frame {
	for _, b := range binary {
		frames = append(frames, engineio.NewFrame(b, true))
	}
	return frames
}

// eventPayload encodes ["event",args...].
func eventPayload(event string, args []json.RawMessage) ([]byte, error) {
	if eventname.Reserved(event) {
		return nil, fmt.Errorf("socketio: event %q: the name is reserved", event)
	}
	size := len(event) + 4 + len(args)
	for _, arg := range args {
		size += max(len(arg), len("null"))
	}
	b := append(make([]byte, 0, size), '[')
	b = jsontext.AppendString(b, event)
	if len(args) > 0 {
		at := len(b)
		var err error
		if b, err = appendArgs(b, args); err != nil {
			return nil, fmt.Errorf("socketio: event %q: %w", event, err)
		}
		b[at] = ',' // where the array of arguments opened
		return b, nil
	}
	return append(b, ']'), nil
}

// encodeArgs turns values into JSON, those of type []byte into attachments.
func encodeArgs(args []any) (encoded []json.RawMessage, binary [][]byte, err error) {
	encoded = make([]json.RawMessage, len(args))
	for i, arg := range args {
		if b, ok := arg.([]byte); ok {
			encoded[i] = appendPlaceholder(nil, len(binary))
			binary = append(binary, slices.Clone(b))
			continue
		}
		if encoded[i], err = marshalJSON(arg); err != nil {
			return nil, nil, fmt.Errorf("argument %d: %w", i, err)
		}
	}
	return encoded, binary, nil
}

// encodeEvent is NewEvent for values of any type.
func encodeEvent(namespace, event string, args []any) (*Packet, error) {
	payload, binary, err := encodePayload(event, args)
	if err != nil {
		return nil, err
	}
	return newPacket(namespace, payload, binary), nil
}

func encodePayload(event string, args []any) ([]byte, [][]byte, error) {
	encoded, binary, err := encodeArgs(args)
	if err != nil {
		return nil, nil, fmt.Errorf("socketio: event %q: %w", event, err)
	}
	payload, err := eventPayload(event, encoded)
	if err == nil && len(binary) > 0 && !placeholdersWithin(payload, len(binary)) {
		err = fmt.Errorf("socketio: event %q: %w", event, errPlaceholder)
	}
	return payload, binary, err
}

var errPlaceholder = errors.New("a placeholder in the arguments names no attachment")

// encodeQuestion makes the packet of an event that wants an answer.
func encodeQuestion(namespace string, id uint64, event string, args []any) (*Packet, error) {
	payload, binary, err := encodePayload(event, args)
	if err != nil {
		return nil, err
	}
	header := appendHeader(make([]byte, 0, maxHeader), eventType(binary), len(binary), namespace)
	return packetOf(namespace, strconv.AppendUint(header, id, 10), payload, binary), nil
}
