package engineio

import (
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

const (
	// firstNoop is how long after the probe the waiting poll is released: a client that has no poll
	// to wait for completes the upgrade sooner.
	firstNoop = 20 * time.Millisecond
	// noopPause is the least time between two empty answers to a client that polls on while its
	// upgrade is under way.
	noopPause = 100 * time.Millisecond
	// crossPause is how long the refusal of a poll after an upgrade is held back.
	crossPause = 50 * time.Millisecond
)

var (
	closePacket = newPacket(string(rune(packetClose)))
	noopPacket  = newPacket(string(rune(packetNoop)))
)

// pollCarrier carries a session over HTTP long-polling. Its fields belong to the session's lock.
type pollCarrier struct {
	s       *Session
	wake    chan struct{} // has a token when a waiting poll should look again
	getting bool          // a GET waits
	said    bool          // the last packet is on its way
	left    bool          // the client has closed
	posting bool          // a POST is being read or handled
	posted  chan struct{} // closed at the end of that POST, if an upgrade waits for it
	probe   *wsCarrier    // the WebSocket of an upgrade under way
	probed  bool          // its probe has come: polls are released
	noopAt  time.Duration // but not before this

	reading   *http.ResponseController // of the POST whose body is being read
	answering *http.ResponseController // of the GET whose answer is being written
}

func (c *pollCarrier) transport() Transport { return Polling }

func (c *pollCarrier) flush() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// lingers: a client between two polls hears of a close with the next one, unless it is the client
// that is at fault, or silent.
func (c *pollCarrier) lingers(reason Reason) bool {
	switch reason {
	case ReasonPingTimeout, ReasonParseError, ReasonTransportError:
		return c.getting
	}
	return true
}

func (c *pollCarrier) goodbye(Reason) *Frame { return closePacket }

// ended ends the reading of a POST, and an upgrade's wait for it.
func (c *pollCarrier) ended() {
	if c.reading != nil {
		c.reading.SetReadDeadline(longAgo)
	}
	c.releaseUpgrade()
}

// releaseUpgrade lets an upgrade look again that waits for the end of a POST. Called with the
// session's lock.
func (c *pollCarrier) releaseUpgrade() {
	if c.posted != nil {
		close(c.posted)
		c.posted = nil
	}
}

// cut releases the poll that waits or is being answered, and the WebSocket of an upgrade.
func (c *pollCarrier) cut() {
	c.s.mu.Lock()
	probe := c.probe
	if c.answering != nil {
		c.answering.SetWriteDeadline(longAgo)
	}
	c.s.mu.Unlock()
	if probe != nil {
		probe.cut()
	}
	c.flush()
}

func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request, sender admission) {
	s := srv.newSession(r, sender)
	s.carrier = &pollCarrier{s: s, wake: make(chan struct{}, 1)}
	s.start(srv.offers(WebSocket))
	s.endTurn()
	s.servePoll(w, r)
}

// servePoll answers a GET as soon as there is something to send.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	s.stamp()
	s.mu.Lock()
	c, ok := s.carrier.(*pollCarrier)
	switch {
	case !ok:
		s.mu.Unlock()
		refuseUpgraded(w, r)
		return
	case s.isOpen() && s.overdue():
		s.mu.Unlock()
		s.finish(ReasonPingTimeout, nil)
		unknownSession.write(w, r)
		return
	case state(s.state.Load()) == stateClosed || c.said:
		s.mu.Unlock()
		unknownSession.write(w, r)
		return
	case c.getting:
		s.mu.Unlock()
		s.finish(ReasonTransportError, nil)
		badRequest.write(w, r)
		return
	}
	c.getting = true
	crossing := c.probe != nil
	s.mu.Unlock()

	a, ok := c.await(r)
	switch {
	case !ok:
		c.lost()
	case a.upgraded && crossing:
		refuseUpgraded(w, r) // as if it had come a moment later
	default:
		err := c.respond(w, a.payload)
		s.passAll(a.marks)
		if a.last || err != nil {
			c.lost()
		}
	}
}

// refuseUpgraded turns down a poll of a session that has left polling. It lets the WebSocket, which
// may have been upgraded just now, go ahead: a client that heard of the refusal before the answer to
// its probe would take the session for lost.
func refuseUpgraded(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(crossPause):
	case <-r.Context().Done():
	}
	badRequest.write(w, r)
}

// lost ends the session with its polls, unless it has been upgraded.
func (c *pollCarrier) lost() {
	c.s.mu.Lock()
	upgraded := c.s.carrier != c
	c.s.mu.Unlock()
	if !upgraded {
		c.s.abort(ReasonTransportClose)
	}
}

// pollAnswer is what a poll is answered with.
type pollAnswer struct {
	payload  [][]byte
	marks    []*Frame // passed when the payload has left
	last     bool     // it ends the session
	upgraded bool     // the session has left polling: an empty answer
}

// await waits for the answer to a poll; false when the client has gone.
func (c *pollCarrier) await(r *http.Request) (pollAnswer, bool) {
	s := c.s
	packets := maxPackets(r.UserAgent())
	for {
		s.mu.Lock()
		a, pause := c.collect(packets)
		if a.payload != nil {
			c.getting, c.said = false, a.last
			s.mu.Unlock()
			return a, true
		}
		s.mu.Unlock()

		var again <-chan time.Time
		if pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-c.wake:
		case <-again:
		case <-r.Context().Done():
			return pollAnswer{}, false
		}
	}
}

// maxPackets is how many packets an answer to a client may have. Some client libraries outside of
// browsers take more than 16 for an attack. Browsers have no bound, and most clients are browsers.
func maxPackets(userAgent string) int {
	if strings.HasPrefix(userAgent, "Mozilla/") || strings.HasPrefix(userAgent, "Opera/") {
		return math.MaxInt
	}
	return 16
}

// collect returns the answer, of at most packets, to the waiting poll if there is one by now, or after
// which pause to ask again; 0: at the next wake. Called with the lock.
func (c *pollCarrier) collect(packets int) (a pollAnswer, pause time.Duration) {
	s := c.s
	switch {
	case s.carrier != c:
		return pollAnswer{payload: onePiece(noopPacket), upgraded: true}, 0
	case s.out != nil && !s.inline:
		payload, n, marks := s.out.batch(s.srv.cfg.MaxPayload, packets)
		if len(marks) > 0 && marks[0] == bigBegin {
			s.pass(bigBegin)
		}
		s.left(n)
		if s.out.empty() {
			s.srv.pools.putQueue(s.out)
			s.out = nil
		}
		return pollAnswer{payload: payload, marks: marks, last: s.out == nil && !s.isOpen()}, 0
	case state(s.state.Load()) == stateClosed:
		return pollAnswer{payload: onePiece(closePacket), last: true}, 0
	case c.probed:
		now := s.srv.now()
		if wait := c.noopAt - now; wait > 0 {
			return pollAnswer{}, wait
		}
		c.noopAt = now + noopPause
		return pollAnswer{payload: onePiece(noopPacket)}, 0
	}
	return pollAnswer{}, 0
}

func onePiece(f *Frame) [][]byte { return [][]byte{f.payload()} }

// respond sends a polling payload. A client that takes none of it within StallTimeout is cut off,
// whatever the timeouts of the HTTP server, which are not made for polls; so is one whose session is
// aborted meanwhile.
func (c *pollCarrier) respond(w http.ResponseWriter, payload [][]byte) error {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Content-Length", strconv.Itoa(size))
	h.Set("Cache-Control", "no-store")
	ctl := http.NewResponseController(w)
	defer c.endAnswer(ctl)
	for _, p := range payload {
		for part := range slices.Chunk(p, pollWriteSize) {
			c.startAnswer(ctl)
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
	}
	if err := ctl.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// pollWriteSize is how much of a polling payload must leave within StallTimeout.
const pollWriteSize = 256 << 10

// startAnswer begins to write a part of an answer.
func (c *pollCarrier) startAnswer(ctl *http.ResponseController) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	timeout := s.srv.cfg.StallTimeout
	if state(s.state.Load()) == stateClosed { // nothing will cut this answer short
		timeout = min(timeout, httpbody.RestTimeout)
	}
	ctl.SetWriteDeadline(time.Now().Add(timeout)) // unsupported: then without
	c.answering = ctl
}

// endAnswer gives the connection back, which may serve other handlers next.
func (c *pollCarrier) endAnswer(ctl *http.ResponseController) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.answering == ctl {
		c.answering = nil
	}
	ctl.SetWriteDeadline(time.Time{})
}

// servePost hands the packets of a POST body to the session.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.stamp()
	s.mu.Lock()
	c, ok := s.carrier.(*pollCarrier)
	switch {
	case !ok:
		s.mu.Unlock()
		badRequest.write(w, r)
		return
	case !s.isOpen():
		s.mu.Unlock()
		unknownSession.write(w, r)
		return
	case c.posting:
		s.mu.Unlock()
		s.finish(ReasonTransportError, nil)
		badRequest.write(w, r)
		return
	}
	c.posting = true
	s.srv.tasks.Add(1) // the session is open, so Close is still waiting
	s.mu.Unlock()
	defer s.srv.done()
	defer c.endPost()

	if refused := c.readPost(w, r); refused != nil {
		refused.write(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	io.WriteString(w, "ok")
}

func (c *pollCarrier) readPost(w http.ResponseWriter, r *http.Request) *refusal {
	s := c.s
	limit := int64(s.srv.cfg.MaxPayload)
	if r.ContentLength > limit {
		s.finish(ReasonTransportError, nil)
		return &tooLarge
	}
	reader := &postReader{c: c, body: r.Body, ctl: http.NewResponseController(w)}
	body, err := io.ReadAll(io.LimitReader(reader, limit+1))
	reader.done()
	switch {
	case err != nil && !s.isOpen():
		return &unknownSession
	case err != nil:
		s.finish(ReasonTransportError, nil)
		return &badRequest
	case int64(len(body)) > limit:
		s.finish(ReasonTransportError, nil)
		return &tooLarge
	}
	s.stamp()
	if !s.beginTurn() {
		return &unknownSession
	}
	err = s.packets(body)
	if err == nil {
		s.endTurn()
		return nil
	}
	var refused *refusal
	if errors.Is(err, errPeerClosed) {
		s.mu.Lock()
		c.left = true
		s.mu.Unlock()
		s.finish(ReasonTransportClose, noopPacket) // what releases the waiting poll
	} else {
		s.finish(ReasonParseError, nil)
		refused = &badRequest
	}
	s.endTurn()
	return refused
}

// packets handles a payload in order, up to its first error.
func (s *Session) packets(payload []byte) error {
	for {
		packet, binary, rest, err := cutPacket(payload)
		if err != nil {
			return err
		}
		if !s.isOpen() {
			return nil
		}
		if binary {
			s.message(packet, true)
		} else if err := s.packet(packet); err != nil {
			return err
		}
		if payload = rest; len(payload) == 0 {
			return nil
		}
	}
}

// packet handles one text packet, which must not be empty.
func (s *Session) packet(packet []byte) error {
	switch packet[0] {
	case packetMessage:
		s.message(packet[1:], false)
	case packetPong:
		s.pong()
	case packetClose:
		return errPeerClosed
	case packetUpgrade, packetNoop:
	default:
		return errPacket
	}
	return nil
}

func (c *pollCarrier) endPost() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.posting = false
	c.releaseUpgrade()
}
