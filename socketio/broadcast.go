package socketio

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/realtime-ai/realtime-message-go/internal/jsontext"
)

// Broadcast is what an [Adapter] carries from one process to the others.
type Broadcast struct {
	Namespace string
	All       bool     // all sockets of the namespace, whatever Rooms has
	Rooms     []string // the sockets of these rooms; none and not All: nobody
	// Senders are JSON text: who sends it to the sockets of each room, for those
	// that expect a sender. Nil, and what is missing at the end: nobody.
	Senders  []json.RawMessage
	Except   []string // less the sockets of these
	Volatile bool     // not for sockets for which much is waiting
	Packet   *Packet  // nil: disconnect the sockets instead
}

// senderOf is who sends the broadcast to the sockets of its room i.
func (b *Broadcast) senderOf(i int) json.RawMessage {
	if i < len(b.Senders) {
		return b.Senders[i]
	}
	return nil
}

// broadcastVersion is the first byte of an encoded broadcast. Processes that know
// only other versions refuse it.
const broadcastVersion = 1

// The second byte holds flags.
const (
	flagVolatile = 1 << iota
	flagAll
)

var errBroadcast = errors.New("socketio: malformed broadcast")

// AppendBroadcast appends the encoding of b: the version, the flags, then lengths
// (varints) and bytes of its namespace, rooms, senders (empty for nobody),
// exceptions and, unless it is for a disconnect, the packet's payload and
// attachments.
func AppendBroadcast(dst []byte, b *Broadcast) []byte {
	rooms, flags := b.Rooms, byte(0)
	if b.All {
		rooms, flags = nil, flagAll
	}
	if b.Volatile {
		flags |= flagVolatile
	}
	dst = append(dst, broadcastVersion, flags)
	dst = appendField(dst, b.Namespace)
	dst = appendFields(dst, rooms)
	dst = appendFields(dst, b.Senders)
	dst = appendFields(dst, b.Except)
	if b.Packet == nil {
		return dst
	}
	dst = appendField(dst, b.Packet.payload)
	return appendFields(dst, b.Packet.binary)
}

func appendField[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendFields[T ~string | ~[]byte](dst []byte, list []T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendField(dst, s)
	}
	return dst
}

// ParseBroadcast decodes what AppendBroadcast made, and checks the packet as if
// a client had sent it. The result shares nothing with b.
func ParseBroadcast(b []byte) (*Broadcast, error) {
	if len(b) < 2 || b[0] != broadcastVersion {
		return nil, fmt.Errorf("%w: unknown version", errBroadcast)
	}
	out := &Broadcast{All: b[1]&flagAll != 0, Volatile: b[1]&flagVolatile != 0}
	f := fields{rest: b[2:]}
	out.Namespace = string(f.next())
	out.Rooms = f.strings()
	out.Senders = f.senders()
	out.Except = f.strings()
	if f.bad || out.Namespace == "" || out.Namespace[0] != '/' || len(out.Senders) > len(out.Rooms) ||
		out.All && len(out.Rooms) > 0 {
		return nil, errBroadcast
	}
	if len(f.rest) == 0 {
		return out, nil
	}
	payload, attachments := f.next(), f.list()
	if f.bad || len(f.rest) > 0 {
		return nil, errBroadcast
	}
	var err error
	if out.Packet, err = NewEventRaw(out.Namespace, payload, attachments...); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroadcast, err)
	}
	return out, nil
}

// fields reads length-prefixed fields; bad once something was amiss.
type fields struct {
	rest []byte
	bad  bool
}

// number reads a count or length, which can never exceed the bytes that follow.
func (f *fields) number() int {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 || n > uint64(len(f.rest)-size) {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[size:]
	return int(n)
}

// senders reads JSON text, of which an empty one is nobody.
func (f *fields) senders() []json.RawMessage {
	var list []json.RawMessage
	for _, sender := range f.list() {
		if len(sender) == 0 {
			list = append(list, nil)
			continue
		}
		f.bad = f.bad || !jsontext.Valid(sender)
		list = append(list, slices.Clone(sender))
	}
	return list
}

func (f *fields) next() []byte {
	n := f.number()
	field := f.rest[:n:n]
	f.rest = f.rest[n:]
	return field
}

func (f *fields) list() [][]byte {
	var list [][]byte
	for range f.number() {
		list = append(list, f.next())
	}
	return list
}

func (f *fields) strings() []string {
	var list []string
	for _, field := range f.list() {
		list = append(list, string(field))
	}
	return slices.Clip(list)
}
