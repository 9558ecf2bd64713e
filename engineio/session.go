package engineio

import (
	"net/http"
	"net/url"
	"time"
)

// Session is one client's connection, whatever its transport. Its methods are safe for concurrent
// use, and none of them blocks.
type Session struct {
	id string
}

// Handler receives what happens to one session. No two of its methods run at the same time.
type Handler interface {
	// HandleMessage is called for each message, in order, on the goroutine that reads the
	// connection. The data is only valid during the call. It must not block for long, since
	// nothing else of this session is read meanwhile.
	HandleMessage(data []byte, binary bool)
	// HandleClose is called exactly once, after the last HandleMessage.
	HandleClose(reason CloseReason)
}

// Request is what is kept of the HTTP request that opened a session.
type Request struct {
	RemoteAddr string
	Host       string
	Query      url.Values
	Header     http.Header
}

// ID returns the session id. It is a secret between this client and the server: whoever knows it
// can speak for the client.
func (s *Session) ID() string { return s.id }

// Request returns the handshake request, parsed anew at each call. The caller owns the result.
func (s *Session) Request() *Request { return nil }

// Transport returns the transport in use now; an upgrade changes it.
func (s *Session) Transport() Transport { return Polling }

// LastPacket returns when the client last sent anything at all, pongs included.
func (s *Session) LastPacket() time.Time { return time.Time{} }

// Send queues frames; those of one call stay together and in order. It never blocks. Called while
// this session's HandleMessage runs, the frames leave when all that was read with the message is
// handled (see [Session.Flush]); otherwise at once or within about a millisecond. The errors are
// [ErrClosed] and [ErrSlowConsumer].
func (s *Session) Send(frames ...*Frame) error { return nil }

// Flush lets queued frames leave now although HandleMessage has not returned. A HandleMessage that
// is going to wait should call it; frames sent during the rest of the call then leave at once too.
func (s *Session) Flush() {}

// Close closes the session. What is queued is still sent, then the close packet of the transport;
// Send fails from now on, and HandleClose follows. It does not block.
func (s *Session) Close(reason CloseReason) {}
