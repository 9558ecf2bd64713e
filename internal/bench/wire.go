package bench

import (
	"bytes"
	"fmt"
	"strconv"
)

type packetKind byte

// The packets that a load client tells apart.
const (
	kindPing packetKind = iota + 1
	kindOpen
	kindConnect
	kindEvent
	kindAck
)

// packet is one Engine.IO message: what kind, and where its JSON begins.
type packet struct {
	kind packetKind
	ack  uint64 // the id of an ack
	body []byte
}

// parsePacket tells what a text frame is. The body shares the frame's bytes.
// Frames that no presence client expects are errors.
func parsePacket(frame []byte) (packet, error) {
	switch {
	case len(frame) == 1 && frame[0] == '2':
		return packet{kind: kindPing}, nil
	case bytes.HasPrefix(frame, []byte("0{")):
		return packet{kind: kindOpen, body: frame[1:]}, nil
	case bytes.HasPrefix(frame, []byte("40{")):
		return packet{kind: kindConnect, body: frame[2:]}, nil
	case bytes.HasPrefix(frame, []byte("42[")):
		return packet{kind: kindEvent, body: frame[2:]}, nil
	case bytes.HasPrefix(frame, []byte("43")):
		return parseAck(frame[2:])
	}
	return packet{}, fmt.Errorf("an unexpected frame %.80q", frame)
}

func parseAck(text []byte) (packet, error) {
	digits := bytes.IndexByte(text, '[')
	if digits < 0 {
		return packet{}, fmt.Errorf("an ack without arguments %.80q", text)
	}
	id, err := strconv.ParseUint(string(text[:digits]), 10, 64)
	if err != nil {
		return packet{}, fmt.Errorf("an ack without an id %.80q", text)
	}
	return packet{kind: kindAck, ack: id, body: text[digits:]}, nil
}

// accepted says whether an ack is not a refusal.
func (p packet) accepted() bool {
	return bytes.Contains(p.body, []byte(`"ok":true`))
}

// The fields below are found by their text: rooms, users and states of a load
// hold nothing that could be mistaken for them.

var (
	fieldSeq   = []byte(`"seq":`)
	fieldPrev  = []byte(`"prev":`)
	fieldEpoch = []byte(`"epoch":`)
	fieldConn  = []byte(`"connId":`)

	presenceEvent = []byte(`["presence:event",`)
	typeJoin      = []byte(`"type":"join"`)
	typeUpdate    = []byte(`"type":"update"`)
	changedTrue   = []byte(`"changed":true`)
)

// number returns the first value of a field that holds a whole number.
func number(body, field []byte) (int64, error) {
	_, rest, found := bytes.Cut(body, field)
	if !found {
		return 0, fmt.Errorf("no %s in %.200q", field, body)
	}
	var n int64
	digits := 0
	for digits < len(rest) && rest[digits]-'0' < 10 {
		n = 10*n + int64(rest[digits]-'0')
		if digits++; digits > 18 {
			return 0, fmt.Errorf("too large a number in %s of %.200q", field, body)
		}
	}
	if digits == 0 {
		return 0, fmt.Errorf("no number in %s of %.200q", field, body)
	}
	return n, nil
}

// appendEvent appends the frame of an event that asks for an ack. The payload
// is JSON already, the name needs no escapes.
func appendEvent(dst []byte, ack uint64, name string, payload []byte) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, '[', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ',')
	dst = append(dst, payload...)
	return append(dst, ']')
}
