package presence

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/presence/internal/core"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// Store says where members live. Package presence/redis makes one; others cannot. It
// opens nothing before Init does, so there is nothing to close, and several servers of
// a process may be given the same one.
type Store interface{ store.Opener }

// Options configure Init. The zero value of a field means its default.
type Options struct {
	// IO is the server that gains presence. Required.
	IO *socketio.Server
	// Namespace is where. Default "/".
	Namespace string

	// Store is where the members of all servers that share it live: package
	// presence/redis makes one. Init opens what it needs of it and Runtime.Close
	// closes that. Default: members live in this process.
	Store Store

	// TTL is how long the record of a connection (prs:conn:<connId>) outlives
	// its last refresh. Default 30 s, at least 1 s.
	TTL time.Duration
	// ReaperInterval is how often the node looks for silent connections.
	// Default 3 s.
	ReaperInterval time.Duration
	// ReaperLookback is how long a connection may send nothing at all before
	// it is closed. Default 2 × TTL. It must be at least 1.5 times the
	// server's ping interval, since between two pings a healthy client is silent.
	ReaperLookback time.Duration
	// AwayAfter is how long a resumable member is gone before it is shown
	// away, unless that would be for less than as long. Default 2 s: most reloads
	// are faster.
	AwayAfter time.Duration
	// SilentAfter is how long nothing at all may come from the connection of a
	// resumable member before it is shown away; its next byte shows it online again.
	// The connection stays open, and a member without a grace is not shown away: both
	// are for the ping timeout to end. Default the server's ping interval and 5 s, and
	// at least a second more than the interval, since between two pings a healthy
	// client is silent; negative: never.
	SilentAfter time.Duration
	// MaxTick is for how long a room gathers changes at most, for clients that take several in one
	// message, while so many come that telling each at once would be dear. It starts at 20 ms and
	// grows with the rate. Default 1 s.
	MaxTick time.Duration
	// MaxGrace caps the grace that clients ask for. Default 120 s.
	MaxGrace time.Duration

	// MaxIDBytes bounds roomId and userId, in bytes of UTF-8. Default 256.
	MaxIDBytes int
	// MaxStateBytes bounds a member's state, in bytes of JSON. Default 16 KiB.
	MaxStateBytes int
	// MaxRooms bounds the rooms of one connection. Default 100.
	MaxRooms int

	// StoreTimeout is how long a request waits for the store before it is
	// answered with CodeUnavailable. Default 2 s.
	StoreTimeout time.Duration

	// RelayEvents names client events that are passed on to the other members
	// of the sender's rooms: exact names, or patterns ending in * ("chat:*").
	// Names that begin with "presence:" and those that Socket.IO keeps for itself
	// never are. Default none.
	RelayEvents []string

	// RefuseUnknown answers events without a handler with CodeUnknownEvent, when their
	// client asks for an acknowledgement. It is for servers without handlers of their own:
	// a handler that the application registers later comes too late for events that were
	// refused. Default: such events are only a debug line.
	RefuseUnknown bool

	// RoomPrefix is put in front of a room's id to make the name of the Socket.IO
	// room that its members' sockets are in. Default none: clients that choose
	// their rooms then enter any Socket.IO room of the application too, by joining
	// a presence room of that name. It must be the same on all servers.
	RoomPrefix string

	// Authorize decides on each join, the resuming ones included. It may
	// block until ctx ends and is called for many sockets at the same time, for
	// up to 8 joins of each; those that wait for that use up their own time.
	// An error that is or wraps an *Error is answered as it says, any other one
	// with CodeForbidden, or CodeUnavailable once ctx has ended. Nil: everybody
	// may join.
	Authorize func(ctx context.Context, s *socketio.Socket, r JoinRequest) error

	// NodeLease is how long a node may give no life sign before the others take
	// it for dead and reap its members. Life signs come each second. Default
	// 4 s, at least 3 s: a shorter one takes every hiccup for a death.
	NodeLease time.Duration

	// DrainPeriod is over how long Runtime.Close spreads the closing of
	// connections, so that clients do not all reconnect at the same moment.
	// Default 5 s, or none where members live in this process; negative: none.
	DrainPeriod time.Duration

	// Logger gets what operators should know. Default: silent.
	Logger *slog.Logger
}

// JoinRequest is what a client asks for with presence:join, as Options.Authorize sees it.
type JoinRequest = wire.JoinRequest

// withDefaults returns a copy with every default in place, or an error that
// names the field that is wrong.
func (o Options) withDefaults() (Options, error) {
	if o.IO == nil {
		return o, fmt.Errorf("presence: Options.IO is missing")
	}
	if o.Namespace == "" {
		o.Namespace = "/"
	}
	o.TTL = orDefault(o.TTL, 30*time.Second)
	o.ReaperInterval = orDefault(o.ReaperInterval, 3*time.Second)
	o.ReaperLookback = orDefault(o.ReaperLookback, 2*o.TTL)
	o.AwayAfter = orDefault(o.AwayAfter, 2*time.Second)
	o.SilentAfter = orDefault(o.SilentAfter, o.IO.Engine().Config().PingInterval+5*time.Second)
	o.MaxTick = orDefault(o.MaxTick, time.Second)
	o.MaxGrace = orDefault(o.MaxGrace, 120*time.Second)
	o.MaxIDBytes = orDefault(o.MaxIDBytes, 256)
	o.MaxStateBytes = orDefault(o.MaxStateBytes, 16<<10)
	o.MaxRooms = orDefault(o.MaxRooms, 100)
	o.NodeLease = orDefault(o.NodeLease, 4*time.Second)
	o.StoreTimeout = orDefault(o.StoreTimeout, 2*time.Second)
	if o.DrainPeriod == 0 && !o.embedded() {
		o.DrainPeriod = 5 * time.Second
	}
	o.DrainPeriod = min(max(o.DrainPeriod, 0), maxDuration)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, o.validate()
}

const (
	// maxDuration bounds times: with larger ones, sums of them would overflow.
	maxDuration = 30 * 24 * time.Hour
	// maxNumber bounds sizes and counts.
	maxNumber = 1 << 30
)

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (o Options) validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"TTL", o.TTL, time.Second},
		{"ReaperInterval", o.ReaperInterval, time.Millisecond},
		{"ReaperLookback", o.ReaperLookback, time.Millisecond},
		{"AwayAfter", o.AwayAfter, time.Millisecond},
		{"MaxTick", o.MaxTick, time.Millisecond},
		{"MaxGrace", o.MaxGrace, time.Millisecond},
		{"StoreTimeout", o.StoreTimeout, 10 * time.Millisecond},
		{"NodeLease", o.NodeLease, 3 * time.Second},
	} {
		if d.value < d.least || d.value > maxDuration {
			return fmt.Errorf("presence: Options.%s is %v; it must be at least %v and at most %v", d.name, d.value, d.least, maxDuration)
		}
	}
	for name, value := range map[string]int{"MaxIDBytes": o.MaxIDBytes, "MaxStateBytes": o.MaxStateBytes, "MaxRooms": o.MaxRooms} {
		if value < 1 || value > maxNumber {
			return fmt.Errorf("presence: Options.%s is %d; it must be at least 1 and at most %d", name, value, maxNumber)
		}
	}
	if ping := o.IO.Engine().Config().PingInterval; o.ReaperLookback < ping*3/2 {
		return fmt.Errorf("presence: Options.ReaperLookback is %v, below 1.5 times the server's ping interval of %v: "+
			"healthy clients would be taken for silent ones; raise it, or lower the ping interval", o.ReaperLookback, ping)
	}
	if ping := o.IO.Engine().Config().PingInterval; o.SilentAfter > 0 && o.SilentAfter < ping+time.Second {
		return fmt.Errorf("presence: Options.SilentAfter is %v, less than a second above the server's ping interval of %v: "+
			"healthy clients would be shown away; raise it, or lower the ping interval", o.SilentAfter, ping)
	}
	if _, err := eventname.Parse(o.RelayEvents); err != nil {
		return fmt.Errorf("presence: Options.RelayEvents: %w", err)
	}
	return nil
}

func (o Options) settings() core.Settings {
	return core.Settings{
		Limits: wire.Limits{
			IDBytes: o.MaxIDBytes, StateBytes: o.MaxStateBytes, Rooms: o.MaxRooms, GraceMs: o.MaxGrace.Milliseconds(),
		},
		TTL: o.TTL, ReaperInterval: o.ReaperInterval, Lookback: o.ReaperLookback,
		AwayAfter: o.AwayAfter, MaxTick: o.MaxTick, SilentAfter: max(o.SilentAfter, 0), StoreTimeout: o.StoreTimeout, LeaseTime: o.NodeLease,
		RoomPrefix: o.RoomPrefix, Log: o.Logger,
	}
}
