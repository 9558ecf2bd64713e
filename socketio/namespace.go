package socketio

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Handler handles one event of one socket. A returned error is answered and
// logged as [Namespace.OnError] says. A handler that panics ends like one that
// returned an error.
type Handler func(ctx context.Context, s *Socket, m *Message) error

// Middleware decides whether a socket may join. An error refuses it: the client
// gets what a [ConnectError] says; any other error is logged, and the client is
// told only that it was refused.
type Middleware func(ctx context.Context, s *Socket) error

// MessageMiddleware runs before the handler of an event, on the same goroutine.
// An error keeps the event from its handler and is treated as the handler's.
type MessageMiddleware func(ctx context.Context, s *Socket, m *Message) error

// Namespace is one of the separate worlds that clients can join over the same
// connection. All methods are safe for concurrent use.
//
// Handlers and other functions are registered once for all sockets, best before
// serving; those registered later apply to what comes after.
type Namespace struct {
	server *Server
	name   string
	hooks  atomic.Pointer[hooks]
	regMu  sync.Mutex // held while hooks is replaced

	own     *attached                // its own adapter, if it has one; guarded by server.mu
	adapter atomic.Pointer[attached] // the one that serves it; nil: none. Written under mu

	mu      sync.RWMutex // guards the memberships of all sockets, too
	sockets map[string]*Socket
	rooms   map[string]*room
	notices notices
}

// hooks is everything registered. It is replaced, never changed.
type hooks struct {
	handlers      map[string]handler
	any           Handler
	wraps         []wrapper // around any, the outermost last
	others        Handler   // what any and wraps come to; nil: nobody wants those events
	admit         []Middleware
	message       []MessageMiddleware
	connect       []func(context.Context, *Socket)
	disconnecting []func(*Socket, Reason)
	disconnect    []func(*Socket, Reason)
	failed        ErrorHandler
	anonymous     string // events whose names begin so have no sender; "": all have
	identify      func(*Socket) string
}

// wrapper is a handler of what has none of its own that may leave it to the next.
type wrapper func(ctx context.Context, s *Socket, m *Message, next Handler) error

// rest is the handler of events that have none of their own; nil: nobody wants them.
func (h *hooks) rest() Handler {
	next := h.any
	for _, wrap := range h.wraps {
		inner := next
		next = func(ctx context.Context, s *Socket, m *Message) error { return wrap(ctx, s, m, inner) }
	}
	return next
}

type handler struct {
	event  string
	handle Handler
	inline bool
}

// ErrorHandler decides what a client that waits for an acknowledgement is told
// of a handler's error: it returns the one argument, as JSON. Nil leaves the
// message unanswered.
type ErrorHandler func(ctx context.Context, s *Socket, m *Message, err error) json.RawMessage

func newNamespace(s *Server, name string) *Namespace {
	n := &Namespace{
		server:  s,
		name:    name,
		sockets: make(map[string]*Socket),
		rooms:   make(map[string]*room),
	}
	n.hooks.Store(new(hooks))
	return n
}

// Name returns the namespace's name, slash included.
func (n *Namespace) Name() string { return n.name }

// named compares with the bytes of a packet, nil being "/".
func (n *Namespace) named(name []byte) bool {
	return n.name == string(name) || name == nil && n.name == "/"
}

func (n *Namespace) register(change func(h *hooks)) {
	n.regMu.Lock()
	defer n.regMu.Unlock()
	h := *n.hooks.Load()
	change(&h)
	h.others = h.rest()
	n.hooks.Store(&h)
}

func (n *Namespace) handle(event string, f Handler, inline bool) {
	n.register(func(h *hooks) {
		h.handlers = maps.Clone(h.handlers)
		if h.handlers == nil {
			h.handlers = make(map[string]handler)
		}
		h.handlers[event] = handler{event, f, inline}
	})
}

// On sets the handler of an event, in place of one set before. It runs on a
// goroutine of the socket, which exists only while there is something to do;
// messages of one socket are handled one at a time, in the order sent. The
// handler may block: once Config.InboundQueue messages wait, its client has to
// wait too. ctx ends when the socket disconnects.
func (n *Namespace) On(event string, f Handler) { n.handle(event, f, false) }

// OnInline sets the handler of an event, in place of one set before. It runs on
// the goroutine that reads the connection, the moment the event arrives,
// without waiting for handlers set with [Namespace.On]. It must not block, and
// must not keep m or anything reached through it except m.Ack(). ctx ends when
// the socket disconnects, but not while the handler runs if it is the connection
// that ends: its end is noticed by the goroutine that the handler is on.
func (n *Namespace) OnInline(event string, f Handler) { n.handle(event, f, true) }

// OnAny sets the handler of all events that have none of their own, in place of
// one set before. It runs like one set with [Namespace.OnInline], with the same
// ctx.
func (n *Namespace) OnAny(f Handler) {
	n.register(func(h *hooks) { h.any = f })
}

// WrapAny puts a handler around the one that OnAny sets, now or later, and around
// those that wrapped it before: for libraries that leave events which are not
// theirs to the application. next is nil while there is no other handler.
func (n *Namespace) WrapAny(f func(ctx context.Context, s *Socket, m *Message, next Handler) error) {
	n.register(func(h *hooks) { h.wraps = append(slices.Clip(h.wraps), f) })
}

// Use adds a middleware. Those of a namespace run in the order added, on a
// goroutine of their own, and may block; ctx ends when the connection does.
func (n *Namespace) Use(f Middleware) {
	n.register(func(h *hooks) { h.admit = append(slices.Clip(h.admit), f) })
}

// UseMessage adds a message middleware. Those of a namespace run in the order
// added before each handler.
func (n *Namespace) UseMessage(f MessageMiddleware) {
	n.register(func(h *hooks) { h.message = append(slices.Clip(h.message), f) })
}

// OnConnect adds a function that runs for each socket that has joined, after
// its CONNECT packet was queued and before any of its events is handled. It may
// block; the socket's events wait. ctx ends when the socket disconnects.
func (n *Namespace) OnConnect(f func(ctx context.Context, s *Socket)) {
	n.register(func(h *hooks) { h.connect = append(slices.Clip(h.connect), f) })
}

// OnDisconnecting adds a function that runs exactly once for each socket that
// had joined, the moment that it is disconnected: nothing can be sent to it any
// more, but it is still in its rooms, and its handlers and OnConnect functions
// may still be running. It must not block.
func (n *Namespace) OnDisconnecting(f func(s *Socket, reason Reason)) {
	n.register(func(h *hooks) { h.disconnecting = append(slices.Clip(h.disconnecting), f) })
}

// OnDisconnect adds a function that runs exactly once for each socket that had
// joined, after the last of its handlers has returned, however long that takes;
// [Namespace.OnDisconnecting] tells at once. The socket has left its
// rooms by then; its data is still there. It must not block.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason Reason)) {
	n.register(func(h *hooks) { h.disconnect = append(slices.Clip(h.disconnect), f) })
}

// OnError sets what becomes of the errors of handlers, in place of one set
// before. Without it they are logged (an [AckError] at debug level) and
// answered with {"ok":false,"error":…,"code":…}: the fields of the AckError, or
// "internal error" and "internal".
func (n *Namespace) OnError(f ErrorHandler) {
	n.register(func(h *hooks) { h.failed = f })
}

// OnIdentify sets a function that tells who is behind a socket, for log lines about
// connections that were too slow, in place of one set before. It must not block.
func (n *Namespace) OnIdentify(f func(s *Socket) string) {
	n.register(func(h *hooks) { h.identify = f })
}

// Len returns the number of sockets in the namespace on this process.
func (n *Namespace) Len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.sockets)
}

// Socket returns the socket with that id if it is connected to this process.
func (n *Namespace) Socket(id string) (*Socket, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	s, ok := n.sockets[id]
	return s, ok
}

// All returns the sockets of the namespace on this process, in no order, as
// they are when the iteration begins.
func (n *Namespace) All() iter.Seq[*Socket] { return n.sequence(audience{}) }

// InRoom returns the sockets of a room on this process, in no order, as they
// are when the iteration begins.
func (n *Namespace) InRoom(room string) iter.Seq[*Socket] {
	return n.sequence(audience{narrowed: true, rooms: []string{room}})
}

func (n *Namespace) sequence(of audience) iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		list := n.collect(nil, of)
		for _, s := range list {
			if !yield(s) {
				return
			}
		}
	}
}

// To addresses the sockets of the given rooms, and with an empty list nobody;
// see [Broadcaster.To]. [Namespace.Emit] is for all sockets.
func (n *Namespace) To(rooms ...string) Broadcaster { return Broadcaster{ns: n}.To(rooms...) }

// Except addresses all sockets but those of the given rooms.
func (n *Namespace) Except(rooms ...string) Broadcaster { return Broadcaster{ns: n}.Except(rooms...) }

// Local addresses all sockets of this process.
func (n *Namespace) Local() Broadcaster { return Broadcaster{ns: n}.Local() }

// Emit sends an event to all sockets of the namespace; see [Broadcaster.Emit].
func (n *Namespace) Emit(ctx context.Context, event string, args ...any) error {
	return Broadcaster{ns: n}.Emit(ctx, event, args...)
}
