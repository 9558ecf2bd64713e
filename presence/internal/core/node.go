package core

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/internal/workers"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Settings are what a node needs of the Options.
type Settings struct {
	Limits         wire.Limits
	TTL            time.Duration
	ReaperInterval time.Duration
	Lookback       time.Duration
	AwayAfter      time.Duration
	MaxTick        time.Duration // for how long changes are gathered at most
	SilentAfter    time.Duration // 0: a silent connection is not shown away
	StoreTimeout   time.Duration
	LeaseTime      time.Duration
	RoomPrefix     string // of Socket.IO rooms
	Log            *slog.Logger
}

// Node is what all parts of a node share: its store and its clock, its goroutines and
// pools, its writes in doubt, and what it knows of losses and of lives that have ended.
// Methods are safe for concurrent use.
type Node struct {
	Settings
	Throttled *slog.Logger // for what may go on for long, or for many members: throttled
	Store     store.Store
	Clock     clock.Clock
	Texts     serial.Buffers
	Life      *node.Node // life signs, lease and reaper; not the life of a member
	Index     *node.Index

	Stopping       atomic.Bool
	DataLossAt     atomic.Pointer[time.Time] // when the store lost data last; nil: never
	DeclaredDeadAt atomic.Pointer[time.Time] // when the node was found declared dead last; nil: never
	// MissedRenewals is for how long the node had given no life sign at DeclaredDeadAt, in ns: a
	// time, not a number of renewals.
	MissedRenewals atomic.Int64
	Tombstones     replica.Tombstones

	Deadlines *serial.Deadlines
	LeavePool *serial.FairPool // leaves, and what else is written of members without a request
	RetryPool *serial.FairPool // a pool of its own, so that leaves do not wait for retries that get no answer
	Retries   *serial.RetryQueue

	Ctx     context.Context
	Cancel  context.CancelFunc
	Workers workers.Pool
}

// New returns a node that does nothing yet. Its life sign and reaper call the host.
func New(s Settings, st store.Store, c clock.Clock, host node.Host) *Node {
	n := &Node{Settings: s, Store: st, Clock: c, Throttled: lograte.Limit(s.Log, time.Minute)}
	n.Life = node.New(node.Options{
		Store: st, Host: host, Clock: c, Lease: s.LeaseTime, StoreTimeout: s.StoreTimeout, Log: n.Throttled,
	})
	n.Index = node.NewIndex(n.Life)
	n.Ctx, n.Cancel = context.WithCancel(context.Background())
	n.Deadlines = serial.NewDeadlines(n.Ctx, c, s.StoreTimeout)
	n.LeavePool, n.RetryPool = n.NewPool(LeavesAtOnce), n.NewPool(LeavesAtOnce)
	n.Retries = serial.NewRetryQueue(n.RetryPool, n.Deadlines, serial.Bounds{Room: MaxRoomInDoubt, All: maxInDoubt})
	return n
}

// NewPool returns a pool with so many turns. Turns count as slow only with a store of several
// servers, which can stall one by one: when any other store stalls all turns do, and more of
// them would only be more goroutines that wait.
func (n *Node) NewPool(limit int) *serial.FairPool {
	slow := 0
	if s, ok := n.Store.(store.Sharded); ok && s.Sharded() {
		slow = SlowLimit
	}
	return serial.NewFairPool(limit, slow, n.TryGo, n.Clock)
}

// LeavesAtOnce is how many turns the leave pool and the retry pool have each: so many leaves of
// ended connections, graces that are stored or end, and retries are at the store at once. The
// pool of checks (package owned) has as many.
const LeavesAtOnce = 64

// SlowLimit bounds the turns of each pool that are slow.
const SlowLimit = 1024

// RoomName is the Socket.IO room of a room of presence.
func (n *Node) RoomName(id string) string { return n.RoomPrefix + id }

// Self is the node's id. It changes when the node finds itself declared dead.
func (n *Node) Self() string { return n.Life.ID() }

// StoreNow is the store's time in Unix ms, as far as the node knows it.
func (n *Node) StoreNow() int64 { return n.StoreTime(n.Clock.Now()) }

// StoreTime is a moment of the node's clock in the store's time.
func (n *Node) StoreTime(t time.Time) int64 { return n.Life.Time.At(t) }

// StoreContext is a context for one request to the store.
func (n *Node) StoreContext() (context.Context, context.CancelFunc) {
	return n.Deadlines.Call()
}

// RequestDeadline is when the store must have answered what a request asks of
// it from now on.
func (n *Node) RequestDeadline() time.Time {
	return n.Deadlines.After(n.Clock.Now())
}

// LostData reports whether the store lost data lately, as far as the node knows.
func (n *Node) LostData(now time.Time) bool {
	at := n.DataLossAt.Load()
	return at != nil && now.Sub(*at) < replica.LossTime
}

// CatchUpTime is how long a node that was frozen reads its input before it restores members:
// some clients have hung up meanwhile, others have moved to other nodes. Half of it was too
// little on a busy machine.
const CatchUpTime = time.Second

// CatchingUp tells whether the node found itself declared dead so recently.
func (n *Node) CatchingUp() bool {
	woke := n.DeclaredDeadAt.Load()
	return woke != nil && n.Clock.Now().Sub(*woke) < CatchUpTime
}
