// Package client is the wire half of a Socket.IO client: one WebSocket, its
// frames and its packets. The load and the chaos clients are built on it. It
// shares no code with the server, so that a fault of one is not a fault of both.
package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	dialTimeout = 10 * time.Second
	maxFrame    = 64 << 20 // above the snapshot of any room that is served
	readBuffer  = 4096
	keepLarge   = 64 << 10 // a larger buffer is not kept for the next frame
)

// Conn is one Socket.IO connection over a WebSocket. One goroutine reads from
// it; Write and Close may be called from any.
type Conn struct {
	raw   net.Conn
	id    string
	in    *bufio.Reader
	large []byte // a frame that does not fit the reader's buffer
	skip  int    // bytes of the last frame, still in the reader's buffer

	mu  sync.Mutex // held while writing
	out []byte
}

// Dial connects to the default namespace of the server at target, an
// http://host:port, as a stock client does: the handshake, then the namespace,
// each after the answer to the one before. It gives up after 10 s.
func Dial(ctx context.Context, target string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	address := "ws" + strings.TrimPrefix(strings.TrimSuffix(target, "/"), "http") + "/socket.io/?EIO=4&transport=websocket"
	raw, early, _, err := ws.Dialer{}.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &Conn{raw: raw}
	if early != nil { // frames that came along with the handshake's answer
		rest, _ := early.Peek(early.Buffered())
		c.in = bufio.NewReaderSize(io.MultiReader(strings.NewReader(string(rest)), raw), readBuffer)
		ws.PutReader(early)
	} else {
		c.in = bufio.NewReaderSize(raw, readBuffer)
	}
	stop := context.AfterFunc(ctx, c.Close)
	defer stop()
	if err := c.open(); err != nil {
		c.Close()
		return nil, errors.Join(fmt.Errorf("opening the namespace: %w", err), ctx.Err())
	}
	return c, nil
}

func (c *Conn) open() error {
	if _, err := c.Await(Open); err != nil {
		return err
	}
	if err := c.Write([]byte("40")); err != nil {
		return err
	}
	p, err := c.Await(Connect)
	if err != nil {
		return err
	}
	var answer struct {
		SID string `json:"sid"`
	}
	err = json.Unmarshal(p.Body, &answer)
	c.id = answer.SID
	return err
}

// ID is the id of the Socket.IO socket.
func (c *Conn) ID() string { return c.id }

// Await reads until a packet of the kind comes. The packet is valid until the
// next read.
func (c *Conn) Await(kind Kind) (Packet, error) {
	for {
		p, err := c.Next()
		if err != nil || p.Kind == kind {
			return p, err
		}
	}
}

// Next reads one packet and blocks until there is one; pings are answered
// here. The packet is valid until the next read.
func (c *Conn) Next() (Packet, error) { return next(c) }

// readText returns the payload of the next text frame.
func (c *Conn) readText() ([]byte, error) {
	for {
		op, payload, err := c.readFrame()
		if err != nil {
			return nil, err
		}
		switch op {
		case ws.OpText:
			return payload, nil
		case ws.OpClose:
			return nil, closed(payload)
		case ws.OpPing:
			if err := c.writeFrame(ws.OpPong, payload); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("a frame of opcode %d", op)
		}
	}
}

// ErrClosed is what Next returns, wrapped, once the server closed the
// connection by a close frame.
var ErrClosed = errors.New("the server closed the connection")

func closed(payload []byte) error {
	if len(payload) < 2 {
		return ErrClosed
	}
	return fmt.Errorf("%w with code %d", ErrClosed, binary.BigEndian.Uint16(payload))
}

// readFrame reads an unfragmented frame of a server. The payload stays in the
// reader's buffer when it fits.
func (c *Conn) readFrame() (ws.OpCode, []byte, error) {
	if _, err := c.in.Discard(c.skip); err != nil {
		return 0, nil, err
	}
	c.skip = 0
	if cap(c.large) > keepLarge {
		c.large = nil // thousands of snapshots would stay otherwise
	}
	op, length, err := readHeader(c.in)
	if err != nil {
		return 0, nil, err
	}
	if length <= c.in.Size() {
		payload, err := c.in.Peek(length)
		c.skip = length
		return op, payload, err
	}
	if cap(c.large) < length {
		c.large = make([]byte, length)
	}
	_, err = io.ReadFull(c.in, c.large[:length])
	return op, c.large[:length], err
}

// readHeader reads what precedes a frame's payload, without allocating.
func readHeader(in *bufio.Reader) (ws.OpCode, int, error) {
	head, err := in.Peek(2)
	if err != nil {
		return 0, 0, err
	}
	first, length, size := head[0], uint64(head[1]), 2
	switch {
	case first&0xf0 != 0x80 || length > 127:
		return 0, 0, errors.New("a fragmented, compressed or masked frame")
	case length == 126:
		size = 4
	case length == 127:
		size = 10
	}
	if head, err = in.Peek(size); err != nil {
		return 0, 0, err
	}
	switch size {
	case 4:
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 10:
		length = binary.BigEndian.Uint64(head[2:])
	}
	if length > maxFrame {
		return 0, 0, fmt.Errorf("a frame of %d bytes", length)
	}
	_, err = in.Discard(size)
	return ws.OpCode(first & 0x0f), int(length), err
}

// Write sends one text frame. It blocks while the connection takes no more.
func (c *Conn) Write(payload []byte) error {
	return c.writeFrame(ws.OpText, payload)
}

func (c *Conn) writeFrame(op ws.OpCode, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = AppendFrame(c.out[:0], op, payload)
	_, err := c.raw.Write(c.out)
	return err
}

// AppendFrame appends a text or control frame of a client: masked, as the protocol wants it.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	const masked = 0x80
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, masked|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(n))
	}
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], mask, 0)
	return dst
}

// Close cuts the connection, without a close frame. It does not block, and may be
// called more than once.
func (c *Conn) Close() {
	_ = c.raw.Close()
}
