package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/closer"
	"github.com/realtime-ai/realtime-message-go/internal/eventname"
	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/cluster"
	"github.com/realtime-ai/realtime-message-go/presence/internal/engine"
	"github.com/realtime-ai/realtime-message-go/presence/internal/rooms"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/memstore"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

// Runtime is presence at work on one server. All methods may be called at the
// same time from any goroutine.
type Runtime struct {
	engine  *engine.Engine
	cluster *cluster.Adapter // nil where members live in this process
	store   store.Store

	binding     *binding
	sockets     *socketio.Namespace // whose sockets Close closes
	drainPeriod time.Duration

	closer closer.Closer
}

// closeTimeout is how long, beyond Options.DrainPeriod, a Close waits whose context has no
// deadline: it may have been called from a function of the application that it waits for.
const closeTimeout = 25 * time.Second

// Init gives the namespace of a Socket.IO server presence: it opens the store,
// wires the handlers of presence:join, presence:heartbeat, presence:leave and
// presence:sync, and, with Options.Store, sets a cluster adapter so that the
// namespace's broadcasts reach the sockets of every node. Presence in "/" does that
// for the namespaces without presence, too. Call it before serving.
//
// It blocks until the store answered, for as long as ctx allows, and fails when
// an option is wrong or the store cannot be reached. The context is for Init
// only: the Runtime works until Close, or until the server is closed.
//
// A namespace has presence once: another Init fails, also after Close. Several
// namespaces of one server can have it, each with an Init of its own: they are
// worlds apart, also on one Redis, and their Runtimes work and close by themselves.
func Init(ctx context.Context, o Options) (*Runtime, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ns := o.IO.Of(o.Namespace)
	release, err := ns.Reserve(eventname.PresencePrefix)
	if err != nil {
		return nil, fmt.Errorf("presence: namespace %q has presence already, or had it: %w", ns.Name(), err)
	}
	rt, err := start(ctx, o, ns)
	if err != nil {
		release()
		return nil, err
	}
	o.IO.OnClose(func(ctx context.Context) {
		if err := rt.Close(ctx); err != nil {
			o.Logger.Warn("presence did not close in time; other servers take over or remove the members that it left behind", "error", err)
		}
	})
	return rt, nil
}

// start is Init with the namespace reserved.
func start(ctx context.Context, o Options, ns *socketio.Namespace) (*Runtime, error) {
	rt := &Runtime{sockets: ns, drainPeriod: o.DrainPeriod}
	var err error
	if rt.store, err = openStore(ctx, o, ns.Name()); err != nil {
		return nil, err
	}
	options := rooms.Options{
		Encode: encoderFor(ns.Name()),
		Share:  func(size int) rooms.SharedBody { return o.IO.Engine().NewBody(size) },
	}
	if !o.embedded() { // before the engine opens rooms
		rt.cluster, err = cluster.New(ctx, cluster.Options{
			IO: o.IO, Namespace: ns, Store: rt.store, RoomPrefix: o.RoomPrefix, Timeout: o.StoreTimeout,
			Log: lograte.Limit(o.Logger, time.Minute),
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("presence: %w", err), rt.stop(context.WithoutCancel(ctx), func() error { return nil }))
		}
		options.Observer = rt.cluster
	}
	rt.engine = engine.New(o.settings(), options, rt.store, clock.System{})
	err = rt.engine.Open(ctx)
	if err != nil {
		return nil, errors.Join(err, rt.stop(context.WithoutCancel(ctx), func() error { return nil }))
	}
	rt.binding = bind(rt.engine, ns, o)
	return rt, nil
}

// embedded reports whether members live in this process.
func (o Options) embedded() bool { return o.Store == nil }

func openStore(ctx context.Context, o Options, namespace string) (store.Store, error) {
	if o.embedded() {
		return memstore.New(memstore.Options{TTL: o.TTL}), nil
	}
	st, err := o.Store.Open(ctx, store.Settings{
		Namespace: namespace, TTL: o.TTL, Lease: o.NodeLease, Corker: o.IO.Engine(), Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("presence: %w", err)
	}
	return st, nil
}

// Close drains and ends presence on this server. From now on joins are refused
// with CodeShuttingDown. The connections of all sockets of the namespace are
// closed, spread over Options.DrainPeriod or half of the time that ctx allows,
// whichever is less, in a way that makes clients reconnect; until its turn
// comes a connection works as before. As it closes, its plain members leave
// with ReasonShutdown and the grace of its resumable ones begins. When all are
// closed, members in grace are left for any other server to take over, the
// server marks itself dead, and every goroutine and connection that Init
// started ends. Call [socketio.Server.Refuse] first, so that clients do not
// come back to this server.
//
// It blocks until all that is done; when ctx ends first, what connections are
// left close at once, what is left of the draining is given up, functions
// of the application that still run (Options.Authorize, those of Subscribe) are
// not waited for, and the error of ctx is returned. A ctx without a deadline is
// given one of 25 s and the DrainPeriod, so that Close may be called from such
// a function.
//
// Close may be called more than once and at the same time: every other call
// waits, for as long as its own ctx allows, for the first one and returns what
// that returned.
func (rt *Runtime) Close(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rt.drainPeriod+closeTimeout)
		defer cancel()
	}
	return rt.closer.Close(ctx, func() error { return rt.close(ctx) })
}

// close is the first Close.
func (rt *Runtime) close(ctx context.Context) error {
	rt.engine.BeginDrain()
	rt.closeSockets(ctx)
	left, err := rt.engine.DrainNode(ctx)
	return errors.Join(err, rt.stop(ctx, func() error {
		if err != nil { // it is found dead when its lease is over
			return nil
		}
		return rt.engine.Deregister(ctx, left)
	}))
}

// closeSockets closes the connections of all sockets one by one. It leaves half of the time for
// the writes to the store that follow.
func (rt *Runtime) closeSockets(ctx context.Context) {
	period := rt.drainPeriod
	if end, ok := ctx.Deadline(); ok {
		period = min(period, time.Until(end)/2)
	}
	leave := func(s *socketio.Socket) { s.CloseTransport(engineio.ReasonShutdown) }
	nobody := func() bool { return rt.sockets.Len() == 0 }
	stagger(ctx, period, slices.Collect(rt.sockets.All()), nobody, leave)
	for s := range rt.sockets.All() { // that came meanwhile
		leave(s)
	}
}

// stop ends what was started, in reverse order. last is the last call to the store.
func (rt *Runtime) stop(ctx context.Context, last func() error) error {
	var err error
	if rt.engine != nil {
		if err = rt.engine.Shut(ctx); err != nil {
			err = fmt.Errorf("presence: close: %w", err)
		}
		err = errors.Join(err, last())
	}
	if rt.cluster != nil {
		rt.cluster.Close()
	}
	return errors.Join(err, rt.store.Close(ctx))
}

// Members returns the members of a room, in no order. It reads the store unless this server
// has sockets in the room, and blocks for at most ctx.
func (rt *Runtime) Members(ctx context.Context, roomID string) ([]Member, error) {
	return rt.engine.Rooms.MembersOf(ctx, roomID)
}

// RoomsOf returns where a user is now, on all servers, in no order: one
// Location for each of the user's connections in each room. It reads the store
// and blocks for at most ctx.
func (rt *Runtime) RoomsOf(ctx context.Context, userID string) ([]Location, error) {
	return rt.engine.RoomsOf(ctx, userID)
}

// Subscribe calls f with each event of a room, whether or not this server has
// sockets in it, in order and one at a time, until the Subscription is closed.
// The members it returns are those before the first event. f may block; events
// wait in memory meanwhile. A panic of f is logged and costs that one call.
// Subscribe blocks for at most ctx, and fails with ErrClosed once the
// Runtime closes.
func (rt *Runtime) Subscribe(ctx context.Context, roomID string, f func(Event)) (*Subscription, []Member, error) {
	return rt.engine.Rooms.Subscribe(ctx, roomID, f)
}

// Kick removes members from a room, on whatever server they are, members in
// grace included, with ReasonKicked, and returns how many it removed. Their
// sockets stay connected, unless KickTarget.Disconnect says otherwise. Kick does not keep anybody from
// joining again; Options.Authorize does. It blocks for at most ctx. An error
// that wraps ErrUnavailable means that members may still stand.
func (rt *Runtime) Kick(ctx context.Context, t KickTarget) (int, error) {
	if t.RoomID == "" || (t.ConnID == "") == (t.UserID == "") {
		return 0, errors.New("presence: Kick needs a RoomID and either a ConnID or a UserID")
	}
	return rt.engine.Kick(ctx, t)
}
