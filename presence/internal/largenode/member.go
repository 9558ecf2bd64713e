package largenode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/client"
	"github.com/realtime-ai/realtime-message-go/internal/memconn"
)

// request is the opening handshake of every connection.
const request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" +
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// member is the far end of a connection: a client that connects, joins a room and then only answers
// pings. It is called by the server's writes alone.
type member struct {
	conn  *memconn.Conn
	crowd *crowd
	// rest is the start of a frame whose end has not come.
	rest   []byte
	heard  time.Duration // when the last pong was fed or, before, the connection opened; on the crowd's clock
	number int32
	state  memberState
	lost   bool // it was told of a member whose node was lost
	hear   func(p client.Packet)
}

type memberState uint8

const (
	connecting memberState = iota // waits for the answer to its handshake
	entering                      // for its namespace and its room
	joined
)

var errClosed = errors.New("the server closed a connection")

// Receive implements memconn.Far.
func (m *member) Receive(p []byte) int {
	taken := len(p)
	if m.rest != nil {
		p = append(m.rest, p...)
		m.rest = nil
	}
	for len(p) > 0 {
		n, err := m.next(p)
		if err != nil {
			m.crowd.fail(fmt.Errorf("member %d: %w", m.number, err))
			return taken
		}
		if n == 0 {
			m.rest = bytes.Clone(p)
			break
		}
		p = p[n:]
	}
	return taken
}

// Closed implements memconn.Far.
func (m *member) Closed() {
	if !m.crowd.closing.Load() {
		m.crowd.fail(fmt.Errorf("member %d: %w", m.number, errClosed))
	}
}

// next handles what p begins with, and returns its length; 0 if its end has not come.
func (m *member) next(p []byte) (int, error) {
	if m.state == connecting {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			return 0, nil
		}
		if !bytes.HasPrefix(p, []byte("HTTP/1.1 101 ")) {
			return 0, fmt.Errorf("the handshake was answered with %.60q", p)
		}
		m.state = entering
		return end + 4, nil
	}
	if p[0] == closeFrame {
		m.conn.HangUp()
		return len(p), nil
	}
	text, n, err := readFrame(p)
	if n == 0 || err != nil {
		return 0, err
	}
	if len(text) == 1 && text[0] == '2' {
		return n, m.ping()
	}
	packet, err := client.ParsePacket(text)
	if err != nil {
		return 0, err
	}
	return n, m.packet(packet)
}

// ping notes how late a ping comes, and answers it.
func (m *member) ping() error {
	now := m.crowd.now()
	m.crowd.pings.Add(1)
	m.crowd.pingLate.Note(now - m.heard - m.crowd.interval)
	m.heard = now
	return m.feed(pong)
}

func (m *member) packet(p client.Packet) error {
	switch {
	case p.Kind == client.Open:
		m.heard = m.crowd.now()
		return m.feed(client.AppendFrame(nil, ws.OpText, []byte("40")))
	case p.Kind == client.Connect:
		return m.join()
	case p.Kind == client.Ack && m.state == entering:
		if bytes.Contains(p.Body, []byte(`"code":"unavailable"`)) && m.crowd.refused.Add(1) <= mostRefused {
			return m.join() // as the answer says
		}
		if !bytes.Contains(p.Body, []byte(`"ok":true`)) {
			return fmt.Errorf("the join was refused: %.200s", p.Body)
		}
		m.state = joined
		m.crowd.entered()
	case p.Kind == client.Event && bytes.Contains(p.Body, []byte(`"reason":"node_lost"`)):
		if m.lost {
			return errors.New("told twice of a lost member")
		}
		m.lost = true
		m.crowd.reaped.Add(1)
	}
	if m.hear != nil {
		m.hear(p)
	}
	return nil
}

func (m *member) join() error {
	return m.feed(client.AppendFrame(nil, ws.OpText, client.AppendEvent(nil, 0, "presence:join", m.crowd.join(int(m.number)))))
}

func (m *member) feed(frame []byte) error {
	if !m.conn.Feed(frame) {
		return errors.New("the connection takes nothing")
	}
	return nil
}

// The frames of the heartbeat.
var (
	ping = []byte{0x81, 1, '2'}
	pong = client.AppendFrame(nil, ws.OpText, []byte("3"))
)

// closeFrame is how a close frame begins.
const closeFrame = 0x88

// readFrame returns the payload of the text frame that p begins with, and the length of the frame; 0 if
// its end has not come.
func readFrame(p []byte) (text []byte, n int, err error) {
	if len(p) < 2 {
		return nil, 0, nil
	}
	if p[0] != 0x81 {
		return nil, 0, fmt.Errorf("a frame that is no whole text: %x", p[:2])
	}
	head, size := 2, int(p[1])
	switch {
	case size == 126 && len(p) >= 4:
		head, size = 4, int(binary.BigEndian.Uint16(p[2:]))
	case size == 126:
		return nil, 0, nil
	case size > 126:
		return nil, 0, fmt.Errorf("a frame that is large or masked: %x", p[:2])
	}
	if len(p) < head+size {
		return nil, 0, nil
	}
	return p[head : head+size], head + size, nil
}
