package presence

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
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// frame is an event encoded once for every socket that gets it.
type frame interface {
	// Namespace is that of the sockets.
	Namespace() string
}

// peer is what the engine needs of a socket. None of its methods blocks.
type peer interface {
	id() string
	// deliver queues a frame that the engine's encode made.
	deliver(f frame)
	// expectSender returns what answers in place of a, and has each event of the
	// application after that answer end with its sender.
	expectSender(a answerer) answerer
	// enter and exit keep the socket in a Socket.IO room, by its name.
	enter(room string)
	exit(room string)
	// lastPacket is when the client last sent anything at all.
	lastPacket() time.Time
	// setHeals says that the client notices gaps, and asks for what it missed.
	setHeals()
	// busy reports whether so much waits to be sent that a snapshot has to wait too.
	busy() bool
	// ended reports whether nothing can be sent any more.
	ended() bool
	// address is where the client is.
	address() string
	// onNextPacket has f called once, when the client next sends anything at all. f
	// does not block.
	onNextPacket(f func())
	// drop closes the transport as silent.
	drop()
	// disconnect tells the client not to come back.
	disconnect()
}

// roomHooks hears of rooms that the node opens, before anybody is in them, and
// closes. roomOpened blocks for at most ctx, roomClosed does not.
type roomHooks interface {
	roomOpened(ctx context.Context, room string) error
	roomClosed(room string)
}

// settings are what the engine needs of the Options.
type settings struct {
	limits         limits
	ttl            time.Duration
	reaperInterval time.Duration
	lookback       time.Duration
	awayAfter      time.Duration
	silentAfter    time.Duration // 0: silence alone shows nobody away
	storeTimeout   time.Duration
	leaseTime      time.Duration
	roomPrefix     string // of Socket.IO rooms
	log            *slog.Logger
}

// engine is presence on one node, without any Socket.IO in it.
type engine struct {
	settings
	faults  *slog.Logger // for what may go on for long, or for many members: throttled
	store   store.Store
	starter store.Starter // the store, if it is one
	clock   clock
	encode  func(event []byte, c series.Change) frame // keeps nothing of the text
	share   func(size int) sharedText
	texts   texts
	node    atomic.Pointer[string]
	hooks   roomHooks // nil: nobody needs to know

	learned  atomic.Pointer[reading] // by the last good beat
	beating  atomic.Bool             // a life sign is under way, or its answer is being taken in
	draining atomic.Bool
	steady   atomic.Bool               // the node may judge others
	lostAt   atomic.Pointer[time.Time] // when the store lost data last; nil: never
	woke     atomic.Pointer[time.Time] // when the node was found declared dead last; nil: never
	// silence is for how long it had given no life sign then, in ns.
	silence atomic.Int64
	// doubted is when the store last left a write unanswered, by its clock; 0:
	// everything is settled.
	doubted atomic.Int64

	mu      sync.Mutex
	rooms   map[string]*room
	sockets map[*socket]struct{}

	deadlines  deadlines
	departures pool
	mends      pool // apart, or who leaves would wait for what the store does not answer
	departed   departed
	inquiries  inquiries
	loads      pool // of rooms that are being read again
	reaps      pool // of members of dead nodes
	nodes      store.Subscription
	strangers  strangers
	mender     mender
	lease      lease
	undertaker undertaker

	ctx     context.Context
	cancel  context.CancelFunc
	workers workers.Pool
}

// lastWait is how long a close that was cut short still allows the engine's own
// goroutines: their context has ended, they only need a moment.
const lastWait = time.Second

// departing is how many removals of ended connections are at the store at once,
// and how many lanes try writes in doubt again.
const departing = 64

// newEngine starts a node.
func newEngine(ctx context.Context, s settings, st store.Store, c clock, encode func([]byte, series.Change) frame) (*engine, error) {
	e := makeEngine(s, st, c, encode)
	if err := e.run(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// makeEngine returns a node that does nothing before run.
func makeEngine(s settings, st store.Store, c clock, encode func([]byte, series.Change) frame) *engine {
	e := &engine{
		settings: s, store: st, clock: c, encode: encode, share: newPlainText,
		rooms:   make(map[string]*room),
		sockets: make(map[*socket]struct{}),
		faults:  lograte.Limit(s.log, time.Minute),
	}
	e.starter, _ = st.(store.Starter)
	e.rename()
	spare := 0
	if s, ok := st.(store.Sharded); ok && s.Sharded() {
		spare = maxSlow
	}
	for p, limit := range map[*pool]int{
		&e.departures: departing, &e.mends: departing, &e.loads: loadsAtOnce, &e.reaps: reapAtOnce,
	} {
		p.limit, p.spare, p.start, p.after = limit, spare, e.tryStart, c.AfterFunc
	}
	e.mender.lanes = make(map[*lane]struct{})
	e.undertaker.graves = make(map[string]*grave)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// run starts the node's work; close ends it, also when run failed. It asks the
// store for the time once, so that it fails when there is no store.
func (e *engine) run(ctx context.Context) (err error) {
	// Life sign first: what a subscription delivers is judged by the store's time.
	if err := e.beat(ctx); err != nil {
		return fmt.Errorf("presence: first life sign: %w", err)
	}
	if e.nodes, err = e.store.SubscribeNodes(ctx, nodesReceiver{e}); err != nil {
		e.forgetNode(ctx)
		return fmt.Errorf("presence: subscribe to nodes: %w", err)
	}
	e.atRate(beatInterval, e.tryBeat)
	e.every(mendInterval, e.mend)
	e.every(auditInterval, e.audit)
	e.every(strangersInterval, e.checkOwners)
	e.every(quietInterval, e.checkQuiet)
	e.every(forgetInterval, e.forgetDeparted)
	e.every(e.ttl/3, e.refresh)
	e.every(e.reaperInterval, e.reaper())
	if e.silentAfter > 0 {
		e.every(silentInterval, e.silenceWatch())
	}
	return nil
}

// forgetNode takes back the life sign of a node that could not start.
func (e *engine) forgetNode(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.storeTimeout)
	defer cancel()
	if err := e.store.Retire(ctx, e.self()); err != nil { // else its lease runs out
		e.log.Warn("life sign not taken back; other servers find this one dead when its lease is over", "node", e.self(), "error", err)
	}
}

// roomName is the Socket.IO room of a room of presence.
func (e *engine) roomName(id string) string { return e.roomPrefix + id }

// self is the node's id. It changes when the node finds itself declared dead.
func (e *engine) self() string { return *e.node.Load() }

// rename gives the node an id of its own that was never used before.
func (e *engine) rename() {
	id := randomID(12)
	e.node.Store(&id)
}

// start runs f on a goroutine that close waits for; a closed engine runs
// nothing any more.
func (e *engine) start(f func()) { _ = e.tryStart(f) }

// tryStart is start for those who need to know: it reports false, and runs
// nothing, when the engine is closed.
func (e *engine) tryStart(f func()) bool { return e.workers.TryGo(f) }

// every runs f again and again, d after it last returned, until the engine closes.
func (e *engine) every(d time.Duration, f func()) {
	e.start(func() {
		for e.sleep(d) {
			f()
		}
	})
}

// atRate runs f again and again, each run d after the one before began, or at
// once when that one took longer, until the engine closes.
func (e *engine) atRate(d time.Duration, f func()) {
	e.start(func() {
		for began := e.clock.Now(); e.sleep(max(began.Add(d).Sub(e.clock.Now()), 0)); {
			began = e.clock.Now()
			f()
		}
	})
}

// storeNow is the store's time in Unix ms, as far as the node knows it.
func (e *engine) storeNow() int64 { return e.storeTime(e.clock.Now()) }

// bounded is a context for one request to the store.
func (e *engine) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(e.ctx, e.storeTimeout)
}

// close ends every goroutine of the engine, however long that takes.
func (e *engine) close() { _ = e.closeWithin(context.Background()) }

// closeWithin ends every goroutine of the engine. Members that still stand are
// left to whoever finds the node dead; drain first to avoid that. Functions of
// the application that run are waited for until ctx ends; the error says that
// some still do.
func (e *engine) closeWithin(ctx context.Context) error {
	e.cancel()
	if e.nodes != nil {
		e.nodes.Close()
	}
	e.workers.Close()
	err := e.workers.Wait(ctx, lastWait)
	e.mu.Lock()
	rooms := e.rooms
	e.rooms = nil
	e.mu.Unlock()
	for _, r := range rooms {
		r.endWatches()
		r.shut()
		r.mu.Lock()
		r.dropWant()
		r.mu.Unlock()
	}
	return err
}

// later posts an operation to a lane when the departures have a turn for it.
func (e *engine) later(l *lane, op func()) { e.laterBy(&e.departures, l, func(time.Time) { op() }) }

// laterBy is later with a pool, for an operation that shall end at a time counted
// from when it is posted. No turn waits for a lane that is busy, which may be in the
// application's code: the lane goes on with the operation by itself.
func (e *engine) laterBy(p *pool, l *lane, op func(deadline time.Time)) {
	c := p.begin()
	p.run(l.roomID, func() {
		deadline := e.clock.Now().Add(e.storeTimeout)
		do := func() {
			defer p.done(c)
			op(deadline)
		}
		if l.begin() {
			do()
			l.finish(e.start)
			return
		}
		l.post(do, 0, e.start)
	})
}
