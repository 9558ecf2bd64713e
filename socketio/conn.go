package socketio

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// conn is one Engine.IO session and the sockets on it, nearly always one.
type conn struct {
	server  *Server
	session *engineio.Session

	mu    sync.Mutex
	first *Socket
	more  []*Socket
	timer *time.Timer // until a socket has joined
	left  *leftovers  // nil: none

	// The reading goroutine alone uses these.
	broken  bool      // the client broke the protocol; the rest is ignored
	pending *assembly // a packet that waits for its attachments
}

// assembly is a packet whose attachments have not all arrived.
type assembly struct {
	packet  wirePacket
	socket  *Socket
	binary  [][]byte
	size    int // of binary
	overdue *time.Timer
}

// assemblyTime is how long the attachments of a packet may take to arrive. On a
// link where they take longer, the heartbeat behind them is late too.
const assemblyTime = 45 * time.Second

func (s *Server) accept(session *engineio.Session) engineio.Handler {
	c := &conn{server: s, session: session}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(s.cfg.ConnectTimeout, func() {
		session.Close(reasonConnectTimeout)
	})
	return c
}

// HandleMessage implements engineio.Handler.
func (c *conn) HandleMessage(data []byte, binary bool) {
	if c.broken {
		return
	}
	if err := c.handle(data, binary); err != nil {
		c.broken = true
		c.abandon()
		c.server.log.Debug("client broke the protocol", "error", err)
		c.session.Close(engineio.ReasonParseError)
	}
}

func (c *conn) handle(data []byte, binary bool) error {
	switch {
	case binary && c.pending == nil:
		return badPacket("attachment without a packet")
	case binary:
		return c.attach(data)
	case c.pending != nil:
		return badPacket("text where an attachment was announced")
	}
	p, err := parsePacket(data)
	if err != nil {
		return err
	}
	if p.attachments > c.server.cfg.MaxAttachments {
		return badPacket("too many attachments")
	}
	if p.typ == typeConnect {
		return c.connect(&p)
	}
	s := c.socket(p.namespace)
	if s == nil {
		return badPacket("packet for a namespace that was not joined")
	}
	return c.pass(s, &p)
}

// pass hands a packet to its socket. What a client sent before it could know
// that its socket was disconnected by the server is ignored.
func (c *conn) pass(s *Socket, p *wirePacket) error {
	switch {
	case p.typ == typeDisconnect:
		c.remove(s)
		s.close(ReasonClientDisconnect)
	case s.connecting():
		return badPacket("packet before the namespace was joined")
	case p.attachments > 0:
		own := *p
		own.payload = slices.Clone(p.payload)
		own.event = slices.Clone(p.event)
		c.pending = &assembly{packet: own, socket: s, overdue: time.AfterFunc(assemblyTime, func() {
			c.server.log.Debug("attachments did not come in time", "namespace", s.ns.name, "socket", s.id)
			c.session.Close(engineio.ReasonParseError)
		})}
	default:
		s.receive(p, nil)
	}
	return nil
}

// attach adds an attachment to the packet that waits for it. Those of one packet
// are bounded together, or they would multiply what a message may hold.
func (c *conn) attach(data []byte) error {
	a := c.pending
	if a.size += len(data); a.size > c.server.maxPayload {
		return badPacket("attachments too large")
	}
	a.binary = append(a.binary, slices.Clone(data))
	if len(a.binary) == a.packet.attachments {
		c.abandon()
		a.socket.receive(&a.packet, a.binary)
	}
	return nil
}

// abandon gives up a packet whose attachments have not all arrived.
func (c *conn) abandon() {
	if c.pending != nil {
		c.pending.overdue.Stop()
		c.pending = nil
	}
}

// maxAuth bounds the payload of a CONNECT packet, which lives as long as its socket.
const maxAuth = 16 << 10

var (
	errNoNamespace  = &ConnectError{Message: "Invalid namespace"} // the reference server's words
	errNamespaces   = &ConnectError{Message: "This connection is in too many namespaces; open another one."}
	errAuthTooLarge = &ConnectError{Message: fmt.Sprintf("The auth payload is over the limit of %d bytes.", maxAuth)}
)

// connect answers a CONNECT packet.
func (c *conn) connect(p *wirePacket) error {
	n := c.server.lookup(p.namespace)
	if n == nil {
		c.refuse(string(p.namespace), errNoNamespace)
		return nil
	}
	if old := c.socket(p.namespace); old != nil {
		if !old.closed() {
			return badPacket("namespace joined twice")
		}
		c.remove(old)
	}
	switch {
	case len(p.payload) > maxAuth:
		c.refuse(n.name, errAuthTooLarge)
	case c.sockets() >= c.server.cfg.MaxNamespaces:
		c.refuse(n.name, errNamespaces)
	default:
		s := newSocket(c, n, p.payload)
		c.add(s)
		c.begin(s)
	}
	return nil
}

// refuse sends a CONNECT_ERROR.
func (c *conn) refuse(namespace string, err error) {
	b := appendHeader(nil, typeConnectError, 0, namespace)
	b = append(b, connectErrorPayload(err)...)
	_ = c.session.Send(engineio.NewFrame(b, false)) // the session closes: nobody left to tell
}

// joined ends the wait for the first socket.
func (c *conn) joined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopTimer()
}

func (c *conn) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// socket returns the connection's socket in a namespace, nil being "/".
func (c *conn) socket(namespace []byte) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first != nil && c.first.ns.named(namespace) {
		return c.first
	}
	for _, s := range c.more {
		if s.ns.named(namespace) {
			return s
		}
	}
	return nil
}

// sockets counts the sockets of the connection, undecided ones included.
func (c *conn) sockets() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		return len(c.more)
	}
	return 1 + len(c.more)
}

func (c *conn) add(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = s
	} else {
		c.more = append(c.more, s)
	}
}

func (c *conn) remove(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == s {
		c.first = nil
	}
	if i := slices.Index(c.more, s); i >= 0 {
		c.more = slices.Delete(c.more, i, i+1)
	}
}

// Identity tells the log of package engineio whose session it is.
func (c *conn) Identity() string {
	c.mu.Lock()
	sockets := slices.Clone(c.more)
	if c.first != nil {
		sockets = slices.Insert(sockets, 0, c.first)
	}
	c.mu.Unlock()
	var names []string
	for _, s := range sockets {
		if f := s.ns.hooks.Load().identify; f != nil {
			names = append(names, f(s))
		}
	}
	return strings.Join(names, " ")
}

// HandleClose implements engineio.Handler.
func (c *conn) HandleClose(reason engineio.Reason) {
	c.mu.Lock()
	c.stopTimer()
	sockets := c.more
	if c.first != nil {
		sockets = append([]*Socket{c.first}, c.more...)
	}
	c.first, c.more = nil, nil
	c.mu.Unlock()
	c.abandon()
	for _, s := range sockets {
		s.close(reason)
	}
}
