package engineio

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/origin"
)

// Transport names one of the two ways that packets travel.
type Transport string

// The transports of Engine.IO that this package serves.
const (
	Polling   Transport = "polling"   // HTTP long-polling
	WebSocket Transport = "websocket" // one WebSocket connection
)

// Config configures a [Server]. The zero value of every field means its default. NewServer copies
// it, so later changes have no effect.
type Config struct {
	// PingInterval is the time between the last pong (or the handshake) and the next ping that
	// the server sends; default 25 s, as in Socket.IO: below the idle timeout of common proxies.
	PingInterval time.Duration
	// PingTimeout is how long the client may take to answer a ping; default 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is how long a WebSocket connection may take from its handshake to the end
	// of its upgrade; default 10 s. The polling session goes on when it runs out.
	UpgradeTimeout time.Duration
	// MaxPayload bounds, in bytes, an inbound message, a POST body, and the batch of packets in
	// one polling response, but one packet always fits; default 1 000 000. At least 1: a pong.
	MaxPayload int
	// Transports lists the transports that are offered; default both. Upgrades need both.
	Transports []Transport
	// AllowedOrigins lists the origins whose pages may connect, with credentials, over polling and
	// WebSocket alike: "https://app.example", "https://*.app.example" for any subdomain at any
	// depth, "http://localhost:*" for any port. Requests without an Origin header come from no
	// browser and are always allowed, and so are pages of the very host that they ask; none but
	// these with an empty list. "*" allows any origin, but without credentials: of a page that only
	// "*" allows, Session.Request has no Cookie, and no Authorization that the page cannot have set.
	// Each origin that is refused is logged once, with the host that it was compared with.
	AllowedOrigins []string
	// AllowedHosts lists the hosts under which the server may be asked, like "chat.example" or
	// "*.example", at any port unless one is given; any other is refused. That keeps out pages whose
	// name was made to point at a server which they cannot reach otherwise (DNS rebinding). Empty:
	// any host.
	AllowedHosts []string
	// MaxQueueBytes bounds the backlog of one session, the bytes that wait to be sent to it; a
	// session over it is closed as a slow consumer. One message above a quarter of it is not
	// counted, so that a message of any size reaches a client that reads. Default: the larger of
	// 4 MiB and four times MaxPayload.
	MaxQueueBytes int
	// MaxLargeBytes bounds the memory of all messages above MaxQueueBytes that wait to be sent; one
	// that many sessions get counts once. What does not fit is refused with [ErrTooLarge], or waits
	// for its turn (see [Server.NewBody]). Default 256 MiB.
	MaxLargeBytes int
	// StallTimeout is how long a session with queued frames may make no progress at all before it
	// is closed as a slow consumer; default 10 s.
	StallTimeout time.Duration
	// Logger receives what an operator may want to know, mostly at debug level; default silent.
	Logger *slog.Logger
}

const (
	defaultMaxQueue = 4 << 20
	defaultMaxLarge = 256 << 20
)

const (
	// maxWait is somewhat less than the longest timer of a browser, 2³¹-1 ms: one
	// for longer fires at once.
	maxWait = 24 * 24 * time.Hour
	// maxMaxPayload is far above what a message may sensibly be.
	maxMaxPayload = 1 << 30
)

// withDefaults returns a copy of c with every zero field set, or an error that names the bad field.
func (c Config) withDefaults() (Config, error) {
	if err := c.validate(); err != nil {
		return Config{}, err
	}
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orDuration(&c.PingInterval, 25*time.Second)
	orDuration(&c.PingTimeout, 20*time.Second)
	orDuration(&c.UpgradeTimeout, 10*time.Second)
	orDuration(&c.StallTimeout, 10*time.Second)
	if c.MaxPayload == 0 {
		c.MaxPayload = 1_000_000
	}
	if c.MaxQueueBytes == 0 {
		c.MaxQueueBytes = max(defaultMaxQueue, 4*c.MaxPayload)
	}
	if c.MaxLargeBytes == 0 {
		c.MaxLargeBytes = defaultMaxLarge
	}
	c.Transports = slices.Clone(c.Transports)
	if len(c.Transports) == 0 {
		c.Transports = []Transport{Polling, WebSocket}
	}
	c.AllowedOrigins = slices.Clone(c.AllowedOrigins)
	c.AllowedHosts = slices.Clone(c.AllowedHosts)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (c Config) validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"PingInterval", c.PingInterval},
		{"PingTimeout", c.PingTimeout},
		{"UpgradeTimeout", c.UpgradeTimeout},
		{"StallTimeout", c.StallTimeout},
	} {
		if d.value != 0 && d.value < time.Millisecond {
			return fmt.Errorf("engineio: Config.%s is %v, must be at least 1ms", d.name, d.value)
		}
	}
	if wait := c.PingInterval + c.PingTimeout; c.PingInterval > maxWait || c.PingTimeout > maxWait || wait > maxWait {
		return fmt.Errorf("engineio: Config.PingInterval and PingTimeout are %v and %v, must be at most %v together: "+
			"timers of browsers are no longer", c.PingInterval, c.PingTimeout, maxWait)
	}
	if c.MaxPayload < 0 || c.MaxPayload > maxMaxPayload {
		return fmt.Errorf("engineio: Config.MaxPayload is %d bytes, must be from 1 to %d", c.MaxPayload, maxMaxPayload)
	}
	if c.MaxQueueBytes < 0 || c.MaxQueueBytes > 0 && c.MaxQueueBytes < c.MaxPayload {
		return fmt.Errorf("engineio: Config.MaxQueueBytes is %d, must be at least MaxPayload", c.MaxQueueBytes)
	}
	if c.MaxLargeBytes < 0 {
		return fmt.Errorf("engineio: Config.MaxLargeBytes is %d, must not be negative", c.MaxLargeBytes)
	}
	for _, t := range c.Transports {
		if t != Polling && t != WebSocket {
			return fmt.Errorf("engineio: Config.Transports has %q, must be %q or %q", t, Polling, WebSocket)
		}
	}
	if _, err := origin.Parse(c.AllowedOrigins); err != nil {
		return fmt.Errorf("engineio: Config.AllowedOrigins: %w", err)
	}
	if _, err := origin.ParseHosts(c.AllowedHosts); err != nil {
		return fmt.Errorf("engineio: Config.AllowedHosts: %w", err)
	}
	return nil
}
