package engineio

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// eachNet runs a test over TCP, which is read through the descriptor, and over connections that
// have none of their own.
func eachNet(t *testing.T, f func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env)) {
	t.Run("tcp", func(t *testing.T) { f(t, newTCPEnv) })
	t.Run("tls", func(t *testing.T) { f(t, newTLSEnv) })
	t.Run("pipe", func(t *testing.T) { f(t, newPipeEnv) })
}

func TestWebSocketEcho(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{})
		c := e.openWS()
		if got := c.res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("accept key %q", got)
		}
		s := e.session()
		if s.s.Transport() != WebSocket {
			t.Error("transport is", s.s.Transport())
		}
		c.send("4hello")
		c.want("4hello")
		c.send("4")
		c.want("4")
		c.write(ws.MaskFrame(ws.NewBinaryFrame([]byte{1, 2, 3, 4})))
		if op, data := c.recv(); op != ws.OpBinary || !bytes.Equal(data, []byte{1, 2, 3, 4}) {
			t.Errorf("got %v %v", op, data)
		}
		c.conn.Close()
		s.wantClosed(t, ReasonTransportClose)
	})
}

func TestWebSocketBigMessage(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{})
		c := e.openWS()
		for _, n := range []int{125, 126, plainReadSize, readSize, 0xffff, 0x10000, 999_999} {
			text := "4" + strings.Repeat("é", n/2-1) + "yz"[n%2:]
			done := async(func() { c.send(text) })
			c.want(text)
			done()
		}
	})
}

func TestWebSocketManyInOneWrite(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	var texts []string
	for i := range 3000 {
		texts = append(texts, "4"+strings.Repeat("m", i%300))
	}
	done := async(func() { c.send(texts...) })
	for _, text := range texts {
		c.want(text)
	}
	done()
}

func TestWebSocketByteByByte(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	wire := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("4slow"))))
	for i := range wire {
		if _, err := c.conn.Write(wire[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	c.want("4slow")
}

func TestWebSocketFragments(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	c.write(
		ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("4o"))),
		ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, nil)),
		ws.MaskFrame(ws.NewPingFrame([]byte("between"))),
		ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, []byte("ne"))),
	)
	if op, data := c.recv(); op != ws.OpPong || string(data) != "between" {
		t.Errorf("got %v %q", op, data)
	}
	c.want("4one")
}

func TestWebSocketFaults(t *testing.T) {
	mask := ws.MaskFrame
	big := ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 1_000_001}
	for name, test := range map[string]struct {
		frame  ws.Frame
		code   ws.StatusCode
		reason Reason
	}{
		"unmasked":       {ws.NewTextFrame([]byte("4x")), ws.StatusProtocolError, ReasonTransportError},
		"reserved bit":   {mask(ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText}}), ws.StatusProtocolError, ReasonTransportError},
		"opcode":         {mask(ws.NewFrame(3, true, nil)), ws.StatusProtocolError, ReasonTransportError},
		"continuation":   {mask(ws.NewFrame(ws.OpContinuation, true, nil)), ws.StatusProtocolError, ReasonTransportError},
		"big control":    {mask(ws.NewFrame(ws.OpPing, true, make([]byte, 126))), ws.StatusProtocolError, ReasonTransportError},
		"split control":  {mask(ws.NewFrame(ws.OpPing, false, nil)), ws.StatusProtocolError, ReasonTransportError},
		"close code":     {mask(ws.NewCloseFrame([]byte{3, 237})), ws.StatusProtocolError, ReasonTransportError},
		"too large":      {ws.Frame{Header: big}, ws.StatusMessageTooBig, ReasonTransportError},
		"not UTF-8":      {mask(ws.NewTextFrame([]byte("4\xff"))), ws.StatusInvalidFramePayloadData, ReasonTransportError},
		"unknown packet": {mask(ws.NewTextFrame([]byte("abc"))), ws.StatusProtocolError, ReasonParseError},
		"empty packet":   {mask(ws.NewTextFrame(nil)), ws.StatusProtocolError, ReasonParseError},
		"client's ping":  {mask(ws.NewTextFrame([]byte("2"))), ws.StatusProtocolError, ReasonParseError},
		"close packet":   {mask(ws.NewTextFrame([]byte("1"))), ws.StatusNormalClosure, ReasonTransportClose},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTCPEnv(t, Config{})
			other := e.openWS()
			e.session()
			c := e.openWS()
			s := e.session()
			c.write(test.frame)
			c.wantClose(test.code)
			s.wantClosed(t, test.reason)
			other.send("4unharmed")
			other.want("4unharmed")
		})
	}
}

// A client whose frames make no sense sees the end of the stream behind the close frame, before the
// connection is cut: cutting at once could destroy the frame on its way.
func TestWebSocketFaultClosesOneSide(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := e.openWS()
	s := e.session().s
	c.write(ws.NewTextFrame([]byte("4unmasked")))
	if op, _ := c.recv(); op != ws.OpClose {
		t.Error("got", op)
	}
	c.wantEOF()
	if st := state(s.state.Load()); st != stateClosing {
		t.Errorf("state %d", st)
	}
}

func TestWebSocketCloseHandshake(t *testing.T) {
	eachNet(t, func(t *testing.T, newEnv func(*testing.T, Config, ...option) *env) {
		e := newEnv(t, Config{})
		c := e.openWS()
		c.write(ws.MaskFrame(ws.NewTextFrame([]byte("4last"))), ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "bye"))))
		c.want("4last")
		op, data := c.recv()
		if code, _ := ws.ParseCloseFrameData(data); op != ws.OpClose || code != 1001 {
			t.Errorf("got %v %d", op, code)
		}
		c.wantEOF()
		e.session().wantClosed(t, ReasonTransportClose)
	})
}

func TestWebSocketBytesBehindTheHandshake(t *testing.T) {
	e := newTCPEnv(t, Config{})
	c := &wsClient{t: t, conn: e.dial()}
	defer c.conn.Close()
	req := "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n"
	long := "4" + strings.Repeat("early", 600)
	first := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("4early"))))
	second := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(long))))
	c.conn.Write(append(append([]byte(req), first...), second[:100]...))
	c.conn.Write(second[100:])
	c.br = bufio.NewReader(c.conn)
	if res, err := http.ReadResponse(c.br, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	_, data := c.recv()
	parseOpen(t, string(data))
	c.want("4early")
	c.want(long)
}
