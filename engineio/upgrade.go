package engineio

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"
)

var errProbe = errors.New("engineio: not the packet that an upgrade needs")

var (
	probeAnswer = newPacket(string(rune(packetPong)) + probe)
	lateSocket  = newCloseFrame(ws.StatusPolicyViolation, "session is upgraded already")
)

// serveUpgrade takes a WebSocket for a polling session. Until the client has confirmed it the
// session goes on polling, and if it never does, so it stays.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	response := switching(w, r)
	if !s.reserve() {
		unknownSession.write(w, r)
		return
	}
	defer s.srv.done() // by then the goroutine is counted
	conn, early, err := hijack(w)
	if err != nil {
		s.srv.cfg.Logger.Warn("engine.io cannot take over the connection for an upgrade: middleware that wraps the http.ResponseWriter needs an Unwrap method", "error", err)
		badRequest.write(w, r)
		return
	}
	conn.SetDeadline(time.Now().Add(s.srv.cfg.UpgradeTimeout))
	c := newWSCarrier(s, conn, early)
	c.boundUnsent(r)
	c.probing = true
	c.base64 = asksBase64(r)
	if !s.admit(c) {
		s.srv.spawn(func() { s.srv.turnAway(conn, response) })
		return
	}
	s.srv.tasks.Add(1)
	go c.runProbe(response)
}

// runProbe is the reading goroutine from the handshake on: what the client sends upon the response
// finds it waiting.
func (c *wsCarrier) runProbe(response []byte) {
	if _, err := c.conn.Write(response); err != nil {
		c.conn.Close() // and reading ends, too
	}
	c.run()
}

// reserve keeps Close waiting for an upgrade of this session; false when it has closed.
func (s *Session) reserve() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isOpen() {
		return false
	}
	s.srv.tasks.Add(1)
	return true
}

// admit makes c the session's one upgrade under way; false when it has or had one already.
func (s *Session) admit(c *wsCarrier) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	poll, ok := s.carrier.(*pollCarrier)
	if !ok || poll.probe != nil || !s.isOpen() {
		return false
	}
	poll.probe = c
	return true
}

// turnAway closes a WebSocket that no session takes. It waits for the client to close in its turn,
// since closing first could destroy what it is to read.
func (srv *Server) turnAway(conn net.Conn, response []byte) {
	defer conn.Close()
	defer context.AfterFunc(srv.over, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(closeWait))
	if _, err := conn.Write(append(response, lateSocket.wire...)); err != nil {
		return
	}
	closeWrite(conn)
	var scrap [512]byte
	for {
		if _, err := conn.Read(scrap[:]); err != nil {
			return
		}
	}
}

// handleProbe is the client's side of an upgrade: a ping with the probe, then the upgrade packet.
func (c *wsCarrier) handleProbe(packet []byte) error {
	switch {
	case string(packet) == string(rune(packetPing))+probe && !c.probed:
		c.probed = true
		c.s.mu.Lock()
		poll, ok := c.s.carrier.(*pollCarrier)
		if ok {
			poll.probed = true
			poll.noopAt = c.s.srv.now() + firstNoop
		}
		c.s.mu.Unlock()
		if !ok {
			return errProbe
		}
		poll.flush()
		return c.writeProbe(probeAnswer)
	case len(packet) == 1 && packet[0] == packetUpgrade && c.probed:
		return c.upgrade()
	}
	return errProbe
}

// writeProbe writes to a connection to which no other goroutine writes yet. Its deadline is the upgrade's.
func (c *wsCarrier) writeProbe(f *Frame) error {
	_, err := c.conn.Write(f.wire)
	return err
}

// upgrade makes c the session's carrier, in a new turn. A POST that is still being handled comes first.
func (c *wsCarrier) upgrade() error {
	s := c.s
	limit := time.NewTimer(s.srv.cfg.UpgradeTimeout)
	defer limit.Stop()
	for {
		s.mu.Lock()
		poll, ok := s.carrier.(*pollCarrier)
		if !ok || poll.probe != c {
			s.mu.Unlock()
			return errProbe
		}
		if !s.isOpen() { // the client has left polling, so it has to hear of it here
			reason := s.reason
			s.mu.Unlock()
			return &closeError{closeCode(reason), ""}
		}
		if !poll.posting {
			s.turn, s.inline = true, true
			s.carrier, poll.probe = c, nil
			c.probing = false
			if s.base64 = c.base64; s.base64 && s.out != nil {
				s.outBytes += s.out.asText(s.out.next)
			}
			s.mu.Unlock()
			s.stamp()
			c.conn.SetDeadline(time.Time{})
			poll.flush() // a poll that waits is answered: it is not needed any more
			return nil
		}
		if poll.posted == nil {
			poll.posted = make(chan struct{})
		}
		posted := poll.posted
		s.mu.Unlock()
		select {
		case <-posted:
		case <-limit.C:
			return errProbe
		}
	}
}

// endProbe gives an upgrade up; the session stays with polling.
func (c *wsCarrier) endProbe() {
	c.cut()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if poll, ok := c.s.carrier.(*pollCarrier); ok && poll.probe == c {
		poll.probe, poll.probed = nil, false
	}
}
