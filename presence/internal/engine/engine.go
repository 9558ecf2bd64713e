package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/internal/series"
	"github.com/realtime-ai/realtime-message-go/internal/workers"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/node"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// Frame is an event encoded once for every socket that gets it.
type Frame interface {
	// Namespace is that of the sockets.
	Namespace() string
}

// clientConn is what the engine needs of a socket. None of its methods but hold blocks.
type clientConn interface {
	ID() string
	// Deliver queues a frame that the engine's encode made.
	Deliver(f Frame)
	// ExpectSender returns what answers in place of a, and has each event of the
	// application after that answer end with its sender.
	ExpectSender(a Acker) Acker
	// Enter and Exit keep the socket in a Socket.IO room, by its name.
	Enter(room string)
	Exit(room string)
	// LastPacket is when the client last sent anything at all.
	LastPacket() time.Time
	// SetHeals says that the client notices gaps and syncs after them.
	SetHeals()
	// Busy reports whether so much waits to be sent that a snapshot has to wait too.
	Busy() bool
	// Ended reports whether nothing can be sent any more.
	Ended() bool
	// Address is where the client is.
	Address() string
	// OnNextPacket has f called once, when the client next sends anything at all. f
	// does not block.
	OnNextPacket(f func())
	// Hold makes the goroutine that reads the connection, which calls it, wait until done
	// is closed, for at most some time. It reports false when the connection has ended.
	Hold(done <-chan struct{}, most time.Duration) bool
	// Drop closes the transport as silent.
	Drop()
	// Disconnect sends a disconnect packet, after which the client does not reconnect by
	// itself.
	Disconnect()
}

// roomObserver hears of rooms that the node opens, before anybody is in them, and
// closes. OpenReplica blocks for at most ctx, CloseReplica does not.
type roomObserver interface {
	OpenReplica(ctx context.Context, room string) error
	CloseReplica(room string)
}

// Settings are what the engine needs of the Options.
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
	RoomObserver   roomObserver              // nil: not called
	Share          func(size int) SharedBody // makes the texts that answers have in common
}

// Engine is presence on one node, without any Socket.IO in it.
type Engine struct {
	Settings
	throttled *slog.Logger // for what may go on for long, or for many members: throttled
	store     store.Store
	clock     clock.Clock
	encode    func(event []byte, c series.Change) Frame // keeps nothing of the text
	texts     serial.Buffers
	life      *node.Node

	draining       atomic.Bool
	dataLossAt     atomic.Pointer[time.Time] // when the store lost data last; nil: never
	declaredDeadAt atomic.Pointer[time.Time] // when the node was found declared dead last; nil: never
	// missedRenewals is for how long it had given no life sign then, in ns.
	missedRenewals atomic.Int64

	// repeats counts the losses of data after which things are still to be said again.
	repeats         atomic.Int64
	tombstones      replica.Tombstones
	replicaSettings replica.Settings
	index           *node.Index

	mu      sync.Mutex
	rooms   map[string]*room
	sockets map[*Socket]struct{}

	deadlines *serial.Deadlines
	leavePool *serial.FairPool
	checks    *serial.FairPool // of members that the store may not have as it should
	retryPool *serial.FairPool // a pool of its own, so that leaves do not wait for retries that get no answer
	loadPool  *serial.FairPool // of rooms that are being read again
	reapPool  *serial.FairPool // of members of dead nodes
	nodes     store.Subscription
	retries   *serial.RetryQueue

	ctx     context.Context
	cancel  context.CancelFunc
	workers workers.Pool
}

// closeGrace is how long a close that was cut short still allows the engine's own
// goroutines: their context has ended, they only need a moment.
const closeGrace = time.Second

// leavesAtOnce is how many removals of ended connections are at the store at once,
// and how many executors try writes in doubt again.
const leavesAtOnce = 64

// slowLimit bounds the turns of each pool that are slow.
const slowLimit = 1024

// reapAtOnce bounds the rooms of dead nodes that are worked on at once.
const reapAtOnce = 16

// New returns a node that does nothing before Open.
func New(s Settings, st store.Store, c clock.Clock, encode func([]byte, series.Change) Frame) *Engine {
	e := &Engine{
		Settings: s, store: st, clock: c, encode: encode,
		rooms:     make(map[string]*room),
		sockets:   make(map[*Socket]struct{}),
		throttled: lograte.Limit(s.Log, time.Minute),
	}
	e.life = node.New(node.Options{
		Store: st, Host: e, Clock: c, Lease: s.LeaseTime, StoreTimeout: s.StoreTimeout, Log: e.throttled,
	})
	e.replicaSettings = replica.Settings{Lease: s.LeaseTime, SilentAfter: s.SilentAfter, Tombstones: &e.tombstones}
	e.index = node.NewIndex(e.life)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.deadlines = serial.NewDeadlines(e.ctx, c, s.StoreTimeout)
	e.makePools()
	e.retries = serial.NewRetryQueue(e.retryPool, e.deadlines, serial.Bounds{Room: maxRoomInDoubt, All: maxInDoubt})
	return e
}

// makePools makes the pools. Turns count as slow only with a store of several servers, which
// can stall one by one: when any other store stalls all turns do, and more of them would
// only be more goroutines that wait.
func (e *Engine) makePools() {
	slow := 0
	if s, ok := e.store.(store.Sharded); ok && s.Sharded() {
		slow = slowLimit
	}
	pool := func(limit int) *serial.FairPool { return serial.NewFairPool(limit, slow, e.tryStart, e.clock) }
	e.leavePool, e.checks, e.retryPool = pool(leavesAtOnce), pool(leavesAtOnce), pool(leavesAtOnce)
	e.loadPool, e.reapPool = pool(loadsAtOnce), pool(reapAtOnce)
}

// Open starts the node's work; Shut ends it, also when Open failed. It asks the
// store for the time once, so that it fails when there is no store. It blocks for at most
// ctx.
func (e *Engine) Open(ctx context.Context) (err error) {
	// Life sign first: what a subscription delivers is judged by the store's time.
	if err := e.life.Renew(ctx); err != nil {
		return fmt.Errorf("presence: first life sign: %w", err)
	}
	if e.nodes, err = e.store.SubscribeNodes(ctx, nodeMessages{e}); err != nil {
		e.forgetNode(ctx)
		return fmt.Errorf("presence: subscribe to nodes: %w", err)
	}
	e.start(func() { e.life.KeepAlive(e.ctx) })
	e.start(func() { e.life.SweepOrphans(e.ctx) })
	e.every(retryInterval, e.retries.Retry)
	e.every(node.IndexSweep, func() { e.index.Sweep(e.ctx) })
	e.every(idleCheckInterval, e.checkIdleRooms)
	e.every(replica.TombstoneTime/4, func() { e.tombstones.Expire(e.clock.Now()) })
	e.every(e.TTL/3, e.refreshConns)
	e.every(userTurn, e.usersInTurn())
	e.every(e.ReaperInterval, e.connReaper())
	if e.SilentAfter > 0 {
		e.every(silentInterval, e.silenceDetector())
	}
	return nil
}

// forgetNode takes back the life sign of a node that could not start.
func (e *Engine) forgetNode(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.StoreTimeout)
	defer cancel()
	if err := e.store.Retire(ctx, e.self()); err != nil { // else its lease runs out
		e.Log.Warn("life sign not taken back; other servers find this one dead when its lease is over", "node", e.self(), "error", err)
	}
}

// RoomName is the Socket.IO room of a room of presence.
func (e *Engine) RoomName(id string) string { return e.RoomPrefix + id }

// self is the node's id. It changes when the node finds itself declared dead.
func (e *Engine) self() string { return e.life.ID() }

// start runs f on a goroutine that close waits for; a closed engine runs
// nothing any more.
func (e *Engine) start(f func()) { _ = e.tryStart(f) }

// tryStart is start for callers that must know: it reports false, and runs nothing, when
// the engine is closed.
func (e *Engine) tryStart(f func()) bool { return e.workers.TryGo(f) }

// every runs f again and again, d after it last returned, until the engine closes.
func (e *Engine) every(d time.Duration, f func()) {
	e.start(func() {
		for e.sleep(d) {
			f()
		}
	})
}

// storeNow is the store's time in Unix ms, as far as the node knows it.
func (e *Engine) storeNow() int64 { return e.storeTime(e.clock.Now()) }

// storeTime is a moment of the node's clock in the store's time.
func (e *Engine) storeTime(t time.Time) int64 { return e.life.Time.At(t) }

// storeContext is a context for one request to the store.
func (e *Engine) storeContext() (context.Context, context.CancelFunc) {
	return e.deadlines.Call()
}

// Shut ends every goroutine of the engine. Members that still exist are cleaned up by the
// node that finds this one dead; drain first to avoid that. Functions of the application
// that run are waited for until ctx ends; the error says that some still run.
func (e *Engine) Shut(ctx context.Context) error {
	e.cancel()
	if e.nodes != nil {
		e.nodes.Close()
	}
	e.workers.Close()
	err := e.workers.Wait(ctx, closeGrace)
	e.mu.Lock()
	rooms := e.rooms
	e.rooms = nil
	e.mu.Unlock()
	for _, r := range rooms {
		r.closeSubscribers()
		r.shut()
		r.mu.Lock()
		r.dropNextSnapshot()
		r.mu.Unlock()
	}
	return err
}

// schedule posts an operation to an executor when the departures have a turn for it.
func (e *Engine) schedule(l *serial.Executor, op func()) {
	e.leavePool.Schedule(l, func(time.Time) { op() })
}

// newExecutor returns an executor for operations on a room.
func newExecutor(room string) *serial.Executor {
	l := new(serial.Executor)
	l.Init(room, nil)
	return l
}
