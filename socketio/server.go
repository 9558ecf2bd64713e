// Package socketio is a server for Socket.IO, protocol version 5, on top of
// package engineio.
//
// Handlers are registered once per namespace and get raw JSON, which [Typed]
// decodes in one place. Packets are encoded once for all sockets that get them.
// An [Adapter] carries broadcasts to other processes.
package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/closer"
	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/internal/workers"
)

// Server is a Socket.IO server. Mount it at /socket.io/ of any mux. Unless
// Config.NoClient is set, it also hands out the client for browsers there, so
// that <script src="/socket.io/socket.io.js"> works. All methods are safe for
// concurrent use.
type Server struct {
	cfg    Config
	engine *engineio.Server
	log    *slog.Logger
	root   *Namespace
	work   workers.Pool
	client *clientFiles // nil: not handed out

	maxPayload int          // of the engine
	refusals   *slog.Logger // for lines that clients cause: throttled

	// patientQueue is how many bytes may wait for a connection with what can wait here
	// instead: half of its queue's bound, so that there is room for the rest.
	patientQueue int
	stallTimeout time.Duration // of the engine

	closer closer.Closer

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	adapter    *attached // of namespaces that have none of their own; nil: none
	onClose    []func(ctx context.Context)
}

// NewServer returns a server with the namespace "/". The error names the field
// of cfg that is wrong. Close must be called in the end.
func NewServer(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, namespaces: make(map[string]*Namespace)}
	if s.engine, err = engineio.NewServer(cfg.Engine, s.accept); err != nil {
		return nil, fmt.Errorf("socketio: %w", err)
	}
	engine := s.engine.Config()
	s.log, s.maxPayload = engine.Logger, engine.MaxPayload
	s.patientQueue, s.stallTimeout = engine.MaxQueueBytes/2, engine.StallTimeout
	s.refusals = lograte.Limit(s.log, time.Minute)
	if !cfg.NoClient {
		s.client = newClientFiles()
	}
	s.root = s.Of("/")
	return s, nil
}

// ServeHTTP serves one request of any transport, or for a file of the client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.client != nil && s.client.serve(w, r) {
		return
	}
	s.engine.ServeHTTP(w, r)
}

// Engine returns the Engine.IO server below.
func (s *Server) Engine() *engineio.Server { return s.engine }

// Of returns the namespace of that name, and creates it if there is none:
// clients can join only namespaces that Of was called for. A missing slash in
// front is added.
func (s *Server) Of(name string) *Namespace {
	name = cleanNamespace(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	if n == nil {
		n = newNamespace(s, name)
		n.adapter.Store(s.adapter)
		s.namespaces[name] = n
	}
	return n
}

func cleanNamespace(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "/" + name
}

// lookup finds a namespace by the bytes of a packet, nil being "/".
func (s *Server) lookup(name []byte) *Namespace {
	if name == nil {
		return s.root
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.namespaces[string(name)]
}

// DeliverLocal delivers a broadcast that came from another process to the
// sockets of this one. It never blocks.
func (s *Server) DeliverLocal(b *Broadcast) {
	n := s.lookup([]byte(b.Namespace))
	if n == nil {
		return
	}
	if b.Packet == nil {
		n.disconnect(b.audience())
		return
	}
	if err := n.deliver(b, nil); err != nil {
		s.log.Warn("broadcast of another server not delivered to all", "namespace", b.Namespace, "error", err)
	}
}

// OnClose registers a function that runs at the start of [Server.Close], while
// every connection is still up. Close waits for it; it must return when its
// context ends.
func (s *Server) OnClose(f func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onClose = append(s.onClose, f)
}

// Refuse makes the server answer new connections with 503 from now on, as
// before a shutdown. Existing connections go on.
func (s *Server) Refuse() { s.engine.Refuse() }

// Close refuses new connections, runs the OnClose functions in the order of
// their registration, closes all transports, which clients answer by
// reconnecting elsewhere (no disconnect packet is sent), and waits until every
// handler and every OnDisconnect function has returned. When ctx ends first,
// connections are cut, and the error of ctx is returned.
//
// Close may be called more than once and at the same time: every other call
// waits, for as long as its own ctx allows, for the first one and returns what
// that returned. A function that Close waits for (a handler, an OnClose function)
// must give it a ctx that ends.
func (s *Server) Close(ctx context.Context) error {
	return s.closer.Close(ctx, func() error { return s.close(ctx) })
}

// close is the first Close.
func (s *Server) close(ctx context.Context) error {
	s.engine.Refuse()
	s.mu.RLock()
	hooks := slices.Clone(s.onClose)
	s.mu.RUnlock()
	for _, f := range hooks {
		f(ctx)
	}
	err := s.engine.Close(ctx)
	s.work.Close()
	if waited := s.work.Wait(ctx, 0); waited != nil {
		err = errors.Join(err, fmt.Errorf("socketio: waiting for handlers: %w", waited))
	}
	return err
}
