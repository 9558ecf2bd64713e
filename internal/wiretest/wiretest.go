// Package wiretest holds what is common to the clients of tests that look at the text
// of Socket.IO packets.
package wiretest

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// dialTime bounds a handshake.
const dialTime = 30 * time.Second

// Dialer opens the connection below a WebSocket; nil is TCP.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Dial opens a WebSocket to the server at an http URL, until the test ends. It is
// read and written with package wsutil, and the first frame is the handshake of
// Engine.IO.
func Dial(t testing.TB, dial Dialer, url string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	address := "ws" + strings.TrimPrefix(url, "http") + "/socket.io/?EIO=4&transport=websocket"
	conn, early, _, err := ws.Dialer{NetDial: dial}.Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if early == nil {
		return conn
	}
	return earlyConn{conn, early}
}

// earlyConn first hands out the frames that came along with the handshake.
type earlyConn struct {
	net.Conn
	in io.Reader
}

func (c earlyConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// CloseCode reads until the server closes, and returns its WebSocket code.
func CloseCode(t testing.TB, conn net.Conn) ws.StatusCode {
	t.Helper()
	for {
		_, err := wsutil.ReadServerText(conn)
		if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
			return closed.Code
		}
		if err != nil {
			t.Fatalf("the connection ended without a close frame: %v", err)
		}
	}
}
