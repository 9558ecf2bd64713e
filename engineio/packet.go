package engineio

import (
	"strconv"
	"time"
)

// The packet types of Engine.IO 4: the first character of a text packet.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'

	// packetBinary marks base64 text in a polling payload; it is no packet type of its own.
	packetBinary = 'b'
)

const probe = "probe" // the payload of the ping and the pong that open an upgrade

// openPacket is the content of the first packet that the server sends.
type openPacket struct {
	sid          string
	upgrade      bool // to WebSocket
	pingInterval time.Duration
	pingTimeout  time.Duration
	maxPayload   int
}

// append appends the packet, type included. The sid needs no escaping.
func (p openPacket) append(dst []byte) []byte {
	dst = append(dst, packetOpen)
	dst = append(dst, `{"sid":"`...)
	dst = append(dst, p.sid...)
	dst = append(dst, `","upgrades":[`...)
	if p.upgrade {
		dst = append(dst, `"websocket"`...)
	}
	dst = append(dst, `],"pingInterval":`...)
	dst = strconv.AppendInt(dst, p.pingInterval.Milliseconds(), 10)
	dst = append(dst, `,"pingTimeout":`...)
	dst = strconv.AppendInt(dst, p.pingTimeout.Milliseconds(), 10)
	dst = append(dst, `,"maxPayload":`...)
	dst = strconv.AppendInt(dst, int64(p.maxPayload), 10)
	return append(dst, '}')
}
