package engineio

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/realtime-ai/realtime-message-go/internal/rawio"
	"github.com/realtime-ai/realtime-message-go/internal/unsent"
)

// wsCarrier carries a session over one WebSocket. Without its own lock: the reading goroutine owns
// all but what never changes; peerClosed and garbled belong to the session's lock.
type wsCarrier struct {
	s      *Session
	conn   net.Conn
	raw    rawio.Conn            // where reading can wait without a buffer; nil where it cannot
	ready  func(fd uintptr) bool // the method value of readable, made once
	in     *readBuf              // what was read and not handled; nil while there is nothing
	parser frameParser

	probing bool // not yet the session's carrier: an upgrade
	probed  bool // its probe has come
	base64  bool // the upgrade asked for it
	deaf    bool // what comes is not looked at any more
	used    bool // the reading goroutine has handled something

	handOverAt time.Duration // from when on the reading goroutine may be replaced again

	peerClosed bool // the client's close frame has come: cut when all is written
	garbled    bool // no close frame can be made out: close this side when all is written
}

func (c *wsCarrier) transport() Transport { return WebSocket }

func (c *wsCarrier) lingers(Reason) bool { return true }

func (c *wsCarrier) goodbye(reason Reason) *Frame {
	return newCloseFrame(closeCode(reason), "")
}

// closeCode is the close code for a session that ended for reason.
func closeCode(reason Reason) ws.StatusCode {
	switch reason {
	case ReasonShutdown:
		return ws.StatusGoingAway
	case ReasonParseError, ReasonTransportError:
		return ws.StatusProtocolError
	case ReasonInternalError:
		return ws.StatusInternalServerError
	}
	return ws.StatusNormalClosure
}

// ended does nothing: the client is still to close in its turn, and has closeWait to do it.
func (c *wsCarrier) ended() {}

// cut closes the connection, which ends the reading goroutine. Only a TCP or unix connection is
// known not to block in Close: TLS says goodbye first, for seconds where the client takes nothing,
// unless the server is over before.
func (c *wsCarrier) cut() {
	if c.raw != nil {
		c.conn.Close()
		return
	}
	srv := c.s.srv
	srv.spawn(func() {
		if secured, ok := c.conn.(*tls.Conn); ok {
			defer context.AfterFunc(srv.over, func() { secured.NetConn().Close() })()
		}
		c.conn.Close()
	})
}

// isWebSocket says whether r is a valid opening handshake.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoAtLeast(1, 1) && r.ProtoMajor == 1 &&
		strings.EqualFold(r.Header.Get("Upgrade"), "websocket") &&
		hasToken(r.Header.Values("Connection"), "upgrade") &&
		r.Header.Get("Sec-WebSocket-Version") == "13" &&
		len(r.Header.Get("Sec-WebSocket-Key")) == 24
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// hijack takes the connection over from net/http, with the bytes that came behind the request.
func hijack(w http.ResponseWriter) (conn net.Conn, early []byte, err error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ = rw.Reader.Peek(n)
	}
	conn.SetDeadline(time.Time{}) // those of the HTTP server
	return conn, early, nil
}

// switching is the answer to an opening handshake. Of the subprotocols that the client offers the first
// is taken, since a client that offers some refuses an answer without one. There are no extensions.
func switching(w http.ResponseWriter, r *http.Request) []byte {
	const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + magic))
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	b = append(b, "\r\n"...)
	if p := subprotocol(r); p != "" && w.Header().Get("Sec-WebSocket-Protocol") == "" {
		b = append(append(append(b, "Sec-WebSocket-Protocol: "...), p...), "\r\n"...)
	}
	for name, values := range w.Header() { // CORS, and what middleware has set
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), headerValue.Replace(v)...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// subprotocol returns the first that the client offers; none when it offers what is no token.
func subprotocol(r *http.Request) string {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.TrimSpace(t); t == "" {
				continue
			} else if strings.ContainsFunc(t, notToken) {
				return ""
			}
			return t
		}
	}
	return ""
}

// notToken reports whether r may not stand in a token of HTTP.
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

var headerValue = strings.NewReplacer("\r", " ", "\n", " ")

// asksBase64 reports whether a client wants no binary frames on the WebSocket that r opens.
func asksBase64(r *http.Request) bool {
	return strings.Contains(r.URL.RawQuery, "b64") && r.URL.Query().Get("b64") != ""
}

// openWebSocket opens a session on a WebSocket.
func (srv *Server) openWebSocket(w http.ResponseWriter, r *http.Request, sender admission) {
	response := switching(w, r)
	conn, early, err := hijack(w)
	if err != nil {
		srv.cfg.Logger.Warn("engine.io cannot take over the connection for a WebSocket: middleware that wraps the http.ResponseWriter needs an Unwrap method", "error", err)
		srv.done()
		badRequest.write(w, r)
		return
	}
	s := srv.newSession(r, sender)
	c := newWSCarrier(s, conn, early)
	c.boundUnsent(r)
	s.carrier = c
	s.base64 = asksBase64(r)
	// The response leaves in one write with the open packet.
	s.enqueue(len(response), &Frame{wire: response, kind: controlFrame})
	s.start(false)
	srv.tasks.Add(1)
	go c.run()
}

func newWSCarrier(s *Session, conn net.Conn, early []byte) *wsCarrier {
	c := &wsCarrier{s: s, conn: conn, raw: rawio.Of(conn), handOverAt: s.srv.now() - handOverSaved}
	c.ready = c.readable
	if len(early) > 0 || c.raw == nil {
		c.in = &readBuf{data: make([]byte, max(plainReadSize, len(early)))}
		c.in.n = copy(c.in.data, early)
	}
	return c
}

// boundUnsent bounds what the kernel takes for the connection, unless its listener did.
func (c *wsCarrier) boundUnsent(r *http.Request) {
	if unsent.IsBounded(r.Context()) {
		return
	}
	raw := c.raw
	if secured, ok := c.conn.(*tls.Conn); ok {
		raw = rawio.Of(secured.NetConn())
	}
	if raw != nil {
		unsent.Limit(raw)
	}
}

// run is the reading goroutine.
func (c *wsCarrier) run() {
	if !c.probing {
		c.s.endTurn() // that of accept
	}
	if c.in != nil && c.in.n > 0 {
		c.handle()
	}
	c.loop()
}

// loop reads and handles until the connection ends, or until another goroutine takes the loop over.
func (c *wsCarrier) loop() {
	for {
		switch c.read() {
		case nil:
			c.handle()
		case errHandOver:
			go c.loop()
			return
		default:
			c.stop()
			return
		}
	}
}

// stop ends the carrier when nothing can be read any more.
func (c *wsCarrier) stop() {
	if c.probing {
		c.endProbe()
	} else {
		c.s.abort(ReasonTransportClose)
	}
	c.s.srv.pools.putReadBuf(c.in)
	c.s.srv.done()
}

// handle deals with all complete messages of the read buffer in one turn of the session.
func (c *wsCarrier) handle() {
	s := c.s
	c.used = true
	turn := false
	if !c.probing {
		s.stamp()
		turn = s.beginTurn()
	}
	b := c.in.data[:c.in.n]
	limit := s.srv.cfg.MaxPayload
	if c.probing {
		limit = max(limit, 1+len(probe)) // an upgrade is not the client's payload
	}
	for !c.deaf {
		m, n, err := c.parser.next(b, len(c.in.data), limit)
		b = b[n:]
		if err == nil && m.op != 0 {
			probing := c.probing
			err = c.dispatch(m)
			if probing && !c.probing { // the upgrade is done, in a turn of its own
				turn = true
			}
		} else if err == nil && n == 0 {
			break
		}
		if err != nil {
			c.fail(err)
		}
	}
	if c.deaf {
		b = nil
	}
	c.in.n = copy(c.in.data, b)
	if turn {
		s.endTurn()
	}
	if c.in.n == 0 && c.raw != nil {
		s.srv.pools.putReadBuf(c.in)
		c.in = nil
	}
}

// dispatch handles one message or control frame.
func (c *wsCarrier) dispatch(m message) error {
	switch m.op {
	case ws.OpText:
		if !utf8.Valid(m.data) {
			return errUTF8
		}
		switch {
		case c.probing:
			return c.handleProbe(m.data)
		case !c.s.isOpen():
			return nil
		case len(m.data) == 0:
			return errPacket
		case m.data[0] == packetBinary: // from a client that has no binary frames
			data, err := decodeBinary(m.data)
			if err != nil {
				return err
			}
			c.s.message(data, true)
			return nil
		}
		return c.s.packet(m.data)
	case ws.OpBinary:
		if c.probing {
			return errProbe
		}
		if c.s.isOpen() {
			c.s.message(m.data, true)
		}
	case ws.OpPing:
		pong := newControl(ws.OpPong, m.data)
		if c.probing {
			return c.writeProbe(pong)
		}
		c.s.Send(pong) // fails when closing, where no pong is needed
	case ws.OpClose:
		return c.handleClose(m.data)
	}
	return nil
}

// handleClose answers the client's close frame with the same code.
func (c *wsCarrier) handleClose(data []byte) error {
	code, text := ws.ParseCloseFrameData(data)
	if len(data) > 0 {
		if err := ws.CheckCloseFrameData(code, text); err != nil {
			return &closeError{ws.StatusProtocolError, err.Error()}
		}
		data = data[:2]
	}
	c.deaf = true
	if c.probing {
		c.writeProbe(newControl(ws.OpClose, data))
		c.cut()
		return nil
	}
	s := c.s
	s.mu.Lock()
	c.peerClosed = true
	over := !s.isOpen() && s.out == nil && !s.writing
	s.mu.Unlock()
	if over { // the answer to ours
		s.abort(ReasonTransportClose)
		return nil
	}
	s.finish(ReasonTransportClose, newControl(ws.OpClose, data))
	return nil
}

// fail ends the session, or the upgrade, for what the client did.
func (c *wsCarrier) fail(err error) {
	reason, goodbye := ReasonParseError, (*Frame)(nil)
	var fault *closeError
	if errors.As(err, &fault) {
		reason, goodbye = ReasonTransportError, newCloseFrame(fault.code, fault.text)
		c.deaf = fault != errUTF8
	}
	switch {
	case c.probing:
		c.deaf = true
		if goodbye == nil {
			goodbye = c.goodbye(reason)
		}
		c.writeProbe(goodbye)
		c.cut()
		return
	case errors.Is(err, errPeerClosed):
		reason = ReasonTransportClose
	}
	c.s.mu.Lock()
	c.garbled = c.deaf
	c.s.mu.Unlock()
	c.s.finish(reason, goodbye)
}
