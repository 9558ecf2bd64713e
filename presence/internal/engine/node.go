package engine

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
	throttled *slog.Logger // for what may go on for long, or for many members: throttled
	store     store.Store
	clock     clock.Clock
	texts     serial.Buffers
	life      *node.Node
	index     *node.Index

	draining       atomic.Bool
	dataLossAt     atomic.Pointer[time.Time] // when the store lost data last; nil: never
	declaredDeadAt atomic.Pointer[time.Time] // when the node was found declared dead last; nil: never
	// missedRenewals is for how long it had given no life sign then, in ns.
	missedRenewals atomic.Int64
	tombstones     replica.Tombstones

	deadlines *serial.Deadlines
	leavePool *serial.FairPool
	retryPool *serial.FairPool // a pool of its own, so that leaves do not wait for retries that get no answer
	retries   *serial.RetryQueue

	ctx     context.Context
	cancel  context.CancelFunc
	workers workers.Pool
}

// leavesAtOnce is how many removals of ended connections are at the store at once,
// and how many executors try writes in doubt again.
const leavesAtOnce = 64

// slowLimit bounds the turns of each pool that are slow.
const slowLimit = 1024

// newNode returns a node that does nothing yet. Its life sign and reaper call the host.
func newNode(s Settings, st store.Store, c clock.Clock, host node.Host) *Node {
	e := &Node{Settings: s, store: st, clock: c, throttled: lograte.Limit(s.Log, time.Minute)}
	e.life = node.New(node.Options{
		Store: st, Host: host, Clock: c, Lease: s.LeaseTime, StoreTimeout: s.StoreTimeout, Log: e.throttled,
	})
	e.index = node.NewIndex(e.life)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.deadlines = serial.NewDeadlines(e.ctx, c, s.StoreTimeout)
	e.leavePool, e.retryPool = e.newPool(leavesAtOnce), e.newPool(leavesAtOnce)
	e.retries = serial.NewRetryQueue(e.retryPool, e.deadlines, serial.Bounds{Room: maxRoomInDoubt, All: maxInDoubt})
	return e
}

// newPool returns a pool with so many turns. Turns count as slow only with a store of several
// servers, which can stall one by one: when any other store stalls all turns do, and more of
// them would only be more goroutines that wait.
func (e *Node) newPool(limit int) *serial.FairPool {
	slow := 0
	if s, ok := e.store.(store.Sharded); ok && s.Sharded() {
		slow = slowLimit
	}
	return serial.NewFairPool(limit, slow, e.tryStart, e.clock)
}

// RoomName is the Socket.IO room of a room of presence.
func (e *Node) RoomName(id string) string { return e.RoomPrefix + id }

// self is the node's id. It changes when the node finds itself declared dead.
func (e *Node) self() string { return e.life.ID() }

// start runs f on a goroutine that the end of the node waits for; a node that has ended runs
// nothing any more.
func (e *Node) start(f func()) { _ = e.tryStart(f) }

// tryStart is start for callers that must know: it reports false, and runs nothing, when
// the node has ended.
func (e *Node) tryStart(f func()) bool { return e.workers.TryGo(f) }

// every runs f again and again, d after it last returned, until the node ends.
func (e *Node) every(d time.Duration, f func()) {
	e.start(func() {
		for e.sleep(d) {
			f()
		}
	})
}

// storeNow is the store's time in Unix ms, as far as the node knows it.
func (e *Node) storeNow() int64 { return e.storeTime(e.clock.Now()) }

// storeTime is a moment of the node's clock in the store's time.
func (e *Node) storeTime(t time.Time) int64 { return e.life.Time.At(t) }

// storeContext is a context for one request to the store.
func (e *Node) storeContext() (context.Context, context.CancelFunc) {
	return e.deadlines.Call()
}

// schedule posts an operation to an executor when the leaves have a turn for it.
func (e *Node) schedule(l *serial.Executor, op func()) {
	e.leavePool.Schedule(l, func(time.Time) { op() })
}

// newExecutor returns an executor for operations on a room.
func newExecutor(room string) *serial.Executor {
	l := new(serial.Executor)
	l.Init(room, nil)
	return l
}
