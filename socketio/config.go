package socketio

import (
	"fmt"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
)

// Config configures a [Server]. The zero value is ready for use; the server
// works on a copy.
type Config struct {
	// Engine configures the transports below. Its Logger is the logger of this
	// package too: failed handlers are errors, refused packets debug lines.
	Engine engineio.Config
	// ConnectTimeout is how long a connection may stay without having joined a
	// namespace once. Default 45 s, as in the reference server: slow mobile
	// links with a token exchange in front need it.
	ConnectTimeout time.Duration
	// MaxAttachments is how many binary attachments one packet may announce;
	// together they are bounded by Engine.MaxPayload, and must come within 45 s.
	// Default 10.
	MaxAttachments int
	// MaxNamespaces is how many namespaces one connection may be in, or be
	// joining, at a time. Default 100.
	MaxNamespaces int
	// NoClient keeps the server from handing out the client for browsers:
	// socket.io.js and socket.io.min.js (both minified) and
	// socket.io.esm.min.js, below the path that the server is mounted at.
	NoClient bool
	// InboundQueue is how many messages of one socket may wait for their
	// handler, as long as they are no larger than Engine.MaxPayload together.
	// Once it is full, reading from that connection pauses until the handler is
	// done with one: its sender is slowed down and nobody else. Default 64.
	InboundQueue int
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.ConnectTimeout < 0:
		return c, fmt.Errorf("socketio: ConnectTimeout is negative: %v", c.ConnectTimeout)
	case c.MaxAttachments < 0:
		return c, fmt.Errorf("socketio: MaxAttachments is negative: %d", c.MaxAttachments)
	case c.MaxNamespaces < 0:
		return c, fmt.Errorf("socketio: MaxNamespaces is negative: %d", c.MaxNamespaces)
	case c.InboundQueue < 0:
		return c, fmt.Errorf("socketio: InboundQueue is negative: %d", c.InboundQueue)
	}
	if c.ConnectTimeout > 0 && c.ConnectTimeout < time.Millisecond {
		return c, fmt.Errorf("socketio: ConnectTimeout is %v, must be at least 1ms", c.ConnectTimeout)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 45 * time.Second
	}
	if c.MaxAttachments == 0 {
		c.MaxAttachments = 10
	}
	if c.MaxNamespaces == 0 {
		c.MaxNamespaces = 100
	}
	if c.InboundQueue == 0 {
		c.InboundQueue = 64
	}
	return c, nil
}
