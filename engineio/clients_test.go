package engineio

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A client without binary frames marks them in text, and gets them so if it has asked for it.
func TestBase64OverWebSocket(t *testing.T) {
	e := newTCPEnv(t, Config{})
	for _, test := range []struct {
		query string
		op    ws.OpCode
		want  string
	}{
		{"", ws.OpBinary, "\x01\x02\x03\x04"},
		{"&b64=", ws.OpBinary, "\x01\x02\x03\x04"},
		{"&b64=1", ws.OpText, "bAQIDBA=="},
		{"&b64=true", ws.OpText, "bAQIDBA=="},
	} {
		for _, sent := range []string{"bAQIDBA==", "bAQIDBA"} {
			c := e.dialWS("EIO=4&transport=websocket" + test.query)
			c.recv() // the open packet
			c.send(sent)
			if op, data := c.recv(); op != test.op || string(data) != test.want {
				t.Errorf("%q, sent %s: got %v %q", test.query, sent, op, data)
			}
			c.send("4text")
			c.want("4text")
			c.send("b")
			want := []byte("b")[:len(test.want)%2]
			if op, data := c.recv(); op != test.op || !bytes.Equal(data, want) {
				t.Errorf("%q, nothing: got %v %q", test.query, op, data)
			}
			e.session().s.abort(ReasonForcedClose)
		}
	}
	c := e.openWS()
	c.send("b!!")
	c.wantClose(ws.StatusProtocolError)
	e.session().wantClosed(t, ReasonParseError)
}

// The same after an upgrade, what was queued before it included.
func TestBase64AfterUpgrade(t *testing.T) {
	e := newTCPEnv(t, Config{})
	res, body := e.request("GET", "EIO=4&transport=polling&b64=1", "")
	if res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	poll := pollClient{e, parseOpen(t, body).SID}
	s := e.session().s
	w := e.dialWS("EIO=4&transport=websocket&b64=1&sid=" + poll.sid)
	w.send("2probe")
	w.want("3probe")
	poll.wantPoll(200, "6")
	s.Send(NewFrame([]byte{1}, true), NewFrame([]byte("x"), false))
	w.send("5", "bAQIDBA==")
	w.want("bAQ==")
	w.want("4x")
	w.want("bAQIDBA==")
	for end := time.Now().Add(10 * time.Second); s.Queued() != 0; time.Sleep(time.Millisecond) { // it is counted after it was written
		if time.Now().After(end) {
			t.Fatalf("%d bytes queued when all is sent", s.Queued())
		}
	}
}

// Clients outside of browsers may refuse an answer of more than 16 packets.
func TestPacketsPerPoll(t *testing.T) {
	e := newTCPEnv(t, Config{})
	for agent, want := range map[string][]int{
		"":                              {16, 16, 8},
		"Python/3.12 aiohttp/3.9.5":     {16, 16, 8},
		"python-requests/2.32":          {16, 16, 8},
		"node-XMLHttpRequest":           {16, 16, 8},
		"Mozilla/5.0 (X11; Linux) Fx/1": {40},
	} {
		poll := e.openPolling()
		s := e.session().s
		for range 40 {
			s.Send(NewFrame([]byte("x"), false))
		}
		for _, n := range want {
			_, body := e.request("GET", poll.query(), "", "User-Agent", agent)
			if got := strings.Count(body, "4x"); got != n {
				t.Errorf("%q: %d packets, want %d", agent, got, n)
			}
		}
	}
	e.srv.accept = func(s *Session) Handler {
		for range 40 {
			s.Send(NewFrame([]byte("x"), false))
		}
		return silent{}
	}
	_, body := e.request("GET", "EIO=4&transport=polling", "")
	if n := strings.Count(body, "\x1e") + 1; n != 16 {
		t.Errorf("handshake: %d packets", n)
	}
}

// A client that offers subprotocols takes the connection only with one of them.
func TestSubprotocol(t *testing.T) {
	e := newTCPEnv(t, Config{})
	for offered, want := range map[string]string{
		"":                    "",
		"chat.v1":             "chat.v1",
		"chat.v2, chat.v1":    "chat.v2",
		" , chat.v1":          "chat.v1",
		"no token (of it), x": "",
	} {
		var header []string
		if offered != "" {
			header = []string{"Sec-WebSocket-Protocol", offered}
		}
		for _, query := range []string{"EIO=4&transport=websocket", "EIO=4&transport=websocket&sid=" + e.openPolling().sid} {
			c := e.dialWS(query, header...)
			got := c.res.Header.Values("Sec-WebSocket-Protocol")
			if c.res.StatusCode != 101 || strings.Join(got, "|") != want {
				t.Errorf("offered %q: %s, %q, want %q", offered, c.res.Status, got, want)
			}
		}
	}
	two := e.dialWS("EIO=4&transport=websocket", "Sec-WebSocket-Protocol", "a", "sec-websocket-protocol", "b")
	if got := two.res.Header.Get("Sec-WebSocket-Protocol"); got != "a" {
		t.Errorf("in two lines: %q", got)
	}
}

// The smallest MaxPayload takes a pong, and an upgrade, which is no payload.
func TestSmallMaxPayload(t *testing.T) {
	for _, size := range []int{1, 5, 100, 127} {
		e := newTCPEnv(t, Config{MaxPayload: size})
		poll := e.openPolling()
		text := strings.Repeat("x", size-1)
		poll.wantPost(200, "4"+text)
		poll.wantPoll(200, "4"+text)
		w := poll.probeUpgrade()
		w.send("5", "3", "4"+text)
		w.want("4" + text)
		w.send("4" + text + "x")
		w.wantClose(ws.StatusMessageTooBig)
	}
}
