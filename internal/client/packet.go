package client

import (
	"bytes"
	"fmt"
	"strconv"
)

// Kind is what a Packet is.
type Kind byte

// The packets that a client tells apart.
const (
	ping Kind = iota + 1
	// Open is the Engine.IO handshake.
	Open
	// Connect is the answer to the connection to a namespace.
	Connect
	// Disconnect is the server's good-bye: it does not want the client back.
	Disconnect
	// Event is an event without an acknowledgement.
	Event
	// Ack is the answer to a request.
	Ack
)

// Packet is one Engine.IO message: what kind, and its JSON.
type Packet struct {
	Kind Kind
	Ack  uint64 // the id of an ack
	Body []byte
}

// texts is a connection below its packets.
type texts interface {
	readText() ([]byte, error)
	Write(text []byte) error
}

// next reads up to a packet that is no ping, and answers those.
func next(c texts) (Packet, error) {
	for {
		text, err := c.readText()
		if err != nil {
			return Packet{}, err
		}
		p, err := ParsePacket(text)
		if err != nil || p.Kind != ping {
			return p, err
		}
		if err := c.Write([]byte("3")); err != nil {
			return Packet{}, err
		}
	}
}

// ParsePacket tells what a text frame is. The body shares the frame's bytes.
// Frames that no presence client expects are errors.
func ParsePacket(frame []byte) (Packet, error) {
	switch {
	case len(frame) == 1 && frame[0] == '2':
		return Packet{Kind: ping}, nil
	case bytes.HasPrefix(frame, []byte("0{")):
		return Packet{Kind: Open, Body: frame[1:]}, nil
	case bytes.HasPrefix(frame, []byte("40{")):
		return Packet{Kind: Connect, Body: frame[2:]}, nil
	case len(frame) == 2 && string(frame) == "41":
		return Packet{Kind: Disconnect}, nil
	case bytes.HasPrefix(frame, []byte("42[")):
		return Packet{Kind: Event, Body: frame[2:]}, nil
	case bytes.HasPrefix(frame, []byte("43")):
		return parseAck(frame[2:])
	}
	return Packet{}, fmt.Errorf("an unexpected frame %.80q", frame)
}

func parseAck(text []byte) (Packet, error) {
	digits := bytes.IndexByte(text, '[')
	if digits < 0 {
		return Packet{}, fmt.Errorf("an ack without arguments %.80q", text)
	}
	id, err := strconv.ParseUint(string(text[:digits]), 10, 64)
	if err != nil {
		return Packet{}, fmt.Errorf("an ack without an id %.80q", text)
	}
	return Packet{Kind: Ack, Ack: id, Body: text[digits:]}, nil
}

// AppendEvent appends the frame of an event that asks for an ack. The payload
// is JSON already, the name needs no escapes.
func AppendEvent(dst []byte, ack uint64, name string, payload []byte) []byte {
	dst = append(dst, "42"...)
	dst = strconv.AppendUint(dst, ack, 10)
	dst = append(dst, '[', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ',')
	dst = append(dst, payload...)
	return append(dst, ']')
}
