//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/realtime-ai/realtime-message-go/internal/wiretest"
)

// client is a Socket.IO client over a WebSocket, for text frames only.
type client struct {
	t    *testing.T
	conn net.Conn
}

func dial(t *testing.T, url string) *client {
	t.Helper()
	conn := wiretest.Dial(t, nil, url)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn}
	c.want("0{")
	c.send("40")
	c.want("40{")
	return c
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c.conn, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// want reads up to the first frame that begins with prefix.
func (c *client) want(prefix string) string {
	c.t.Helper()
	for {
		frame, err := wsutil.ReadServerText(c.conn)
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", prefix, err)
		}
		if strings.HasPrefix(string(frame), prefix) {
			return string(frame)
		}
	}
}

type joinAck struct {
	OK      bool
	Resumed bool
	Self    struct{ Resume string }
}

func (c *client) join(payload string) joinAck {
	c.t.Helper()
	c.send(`420["presence:join",` + payload + `]`)
	text := c.want("430[")
	var ack [1]joinAck
	if err := json.Unmarshal([]byte(text[3:]), &ack); err != nil || !ack[0].OK {
		c.t.Fatal(text, err)
	}
	return ack[0]
}

// event returns the next presence event of a type.
func (c *client) event(kind string) map[string]any {
	c.t.Helper()
	for {
		var packet [2]json.RawMessage
		var event map[string]any
		frame := c.want(`42["presence:event",`)
		if err := json.Unmarshal([]byte(frame[2:]), &packet); err != nil {
			c.t.Fatal(err)
		}
		if err := json.Unmarshal(packet[1], &event); err != nil {
			c.t.Fatal(err)
		}
		if event["type"] == kind {
			return event
		}
	}
}

// seesLeave reads until a leave (true), or until the server closes (false).
func (c *client) seesLeave() bool {
	c.t.Helper()
	for {
		frame, err := wsutil.ReadServerText(c.conn)
		if _, closed := errors.AsType[wsutil.ClosedError](err); closed {
			return false
		}
		if err != nil {
			c.t.Fatalf("waiting for a leave: %v", err)
		}
		if strings.HasPrefix(string(frame), `42["presence:event",{"type":"leave"`) {
			return true
		}
	}
}
