package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
)

// echoCommand makes this program the echo server.
const echoCommand = "echo-server"

// serveEcho answers every frame with one of about its size, and does nothing
// else: what any server built on the same WebSocket library pays at least. The
// answers are just enough of the protocol for the load's clients.
func serveEcho() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("echo: http://%s\n", listener.Addr())
	return http.Serve(listener, http.HandlerFunc(upgrade))
}

func upgrade(w http.ResponseWriter, q *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(q, w)
	if err != nil {
		return // it has answered
	}
	// In a goroutine of its own: the one of net/http holds on to its buffers.
	go func() {
		defer func() { _ = conn.Close() }()
		_ = echo(conn) // ends with the connection
	}()
}

// maxEcho is the largest frame that is answered.
const maxEcho = 4096

// echo reads with one buffer, which fits the frames of a load.
func echo(conn net.Conn) error {
	if err := answer(conn, `0{"sid":"echo","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":4096}`); err != nil {
		return err
	}
	buffer := make([]byte, 0, 512)
	for {
		header, size, err := parseHeader(buffer)
		switch {
		case err != nil:
			return err
		case size == 0 || len(buffer) < size+int(header.Length):
			if len(buffer) == cap(buffer) {
				buffer = append(make([]byte, 0, 2*cap(buffer)), buffer...)
			}
			n, err := conn.Read(buffer[len(buffer):cap(buffer)])
			if err != nil {
				return err
			}
			buffer = buffer[:len(buffer)+n]
			continue
		}
		payload := buffer[size : size+int(header.Length)]
		ws.Cipher(payload, header.Mask, 0)
		if header.OpCode != ws.OpText {
			return io.EOF
		}
		if err := reply(conn, payload); err != nil {
			return err
		}
		rest := copy(buffer, buffer[size+int(header.Length):])
		buffer = buffer[:rest]
	}
}

// parseHeader reads a frame's header; the size is 0 if not all of it is there.
func parseHeader(buffer []byte) (ws.Header, int, error) {
	in := bytes.NewReader(buffer)
	header, err := ws.ReadHeader(in)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return header, 0, nil
	}
	if err == nil && (!header.Masked || header.Length > maxEcho) {
		err = fmt.Errorf("a frame of %d bytes", header.Length)
	}
	return header, len(buffer) - in.Len(), err
}

func reply(conn net.Conn, payload []byte) error {
	args := bytes.IndexByte(payload, '[')
	switch {
	case string(payload) == "40":
		return answer(conn, `40{"sid":"echo"}`)
	case args < 2:
		return nil // an answer to a ping that was never sent
	}
	id := payload[2:args]
	return answer(conn, `43`, string(id), `[{"ok":true,"changed":false,"self":{"connId":"echo","epoch":1}}]`)
}

// answer writes a short text frame at once.
func answer(conn net.Conn, parts ...string) error {
	frame := make([]byte, 2, 128)
	for _, p := range parts {
		frame = append(frame, p...)
	}
	frame[0], frame[1] = 0x80|byte(ws.OpText), byte(len(frame)-2)
	_, err := conn.Write(frame)
	return err
}
