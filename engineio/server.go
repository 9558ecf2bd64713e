// Package engineio is a server for Engine.IO, protocol version 4: message-wise, ordered
// connections over HTTP long-polling and WebSocket, with an upgrade from the first to the second
// and a heartbeat.
package engineio

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/closer"
	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/internal/origin"
)

// Server accepts sessions. It is an [http.Handler] that mounts in any mux at any path.
//
// Its goroutines: one per WebSocket connection, which reads; one flush loop per CPU; one for all
// heartbeats; and short ones, started when needed, that write to a connection that is not ready, or call HandleClose.
type Server struct {
	cfg    Config
	accept func(*Session) Handler
	start  time.Time // the zero of the server's clock
	pools  pools
	budget budget

	slow *slog.Logger // for lines about slow clients: throttled

	origins  origin.List
	hosts    origin.Hosts
	refusals refusals

	alarms   *alarms
	rung     chan struct{} // closed when the alarms' loop has ended, with the last session
	cork     cork
	pace     pace
	flushers []*flusher
	turns    atomic.Uint32 // deals out the flushers
	loops    sync.WaitGroup
	stop     chan struct{} // ends the flush loops

	open  atomic.Int64
	tasks atomic.Int64  // sessions and goroutines that Close waits for, and one for the server itself
	idle  chan struct{} // closed when tasks is zero

	closer  closer.Closer
	over    context.Context // ends with Close, and with it what belongs to no session
	endOver context.CancelFunc

	mu       sync.Mutex
	sessions map[string]*Session // by id; those closing included
	refusing bool
	closing  bool
}

// NewServer returns a server. For each new session accept is called once, on the goroutine of the
// handshake request, and returns the session's handler; it may already Send. It must not block.
// The error names the field of cfg that is wrong. Close must be called in the end.
func NewServer(cfg Config, accept func(*Session) Handler) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	srv := &Server{
		cfg:      cfg,
		slow:     lograte.Limit(cfg.Logger, time.Second),
		accept:   accept,
		start:    time.Now(),
		stop:     make(chan struct{}),
		idle:     make(chan struct{}),
		sessions: make(map[string]*Session),
	}
	// Checked by withDefaults.
	srv.origins, _ = origin.Parse(cfg.AllowedOrigins)
	srv.hosts, _ = origin.ParseHosts(cfg.AllowedHosts)
	srv.over, srv.endOver = context.WithCancel(context.Background())
	srv.budget.most = cfg.MaxLargeBytes
	srv.alarms = newAlarms()
	srv.rung = make(chan struct{})
	go func() {
		defer close(srv.rung)
		srv.alarms.run(srv.now, srv.idle)
	}()
	srv.tasks.Store(1)
	loops := runtime.GOMAXPROCS(0)
	srv.pace.window = flushInterval / time.Duration(loops)
	for range loops {
		f := newFlusher(srv)
		srv.flushers = append(srv.flushers, f)
		srv.loops.Go(func() { f.run(srv.stop) })
	}
	return srv, nil
}

// Config returns the configuration in force, with defaults filled in.
func (srv *Server) Config() Config {
	cfg := srv.cfg
	cfg.Transports = slices.Clone(cfg.Transports)
	cfg.AllowedOrigins = slices.Clone(cfg.AllowedOrigins)
	cfg.AllowedHosts = slices.Clone(cfg.AllowedHosts)
	return cfg
}

// Sessions returns the number of open sessions.
func (srv *Server) Sessions() int { return int(srv.open.Load()) }

// Refuse makes the server answer new handshakes with 503 from now on. Existing sessions go on.
func (srv *Server) Refuse() {
	srv.mu.Lock()
	srv.refusing = true
	srv.mu.Unlock()
}

// Close refuses new sessions, closes those that exist after what is queued for them was sent
// (WebSocket code 1001, the close packet on polling), and waits for all goroutines of the server
// and for every HandleClose. A client may take a few seconds to close in its turn. When ctx ends
// first, the connections are cut, and its error returned.
//
// Close may be called more than once and at the same time: every other call waits, for as long as
// its own ctx allows, for the first one and returns what that returned.
func (srv *Server) Close(ctx context.Context) error {
	return srv.closer.Close(ctx, func() error { return srv.close(ctx) })
}

// close is the first Close.
func (srv *Server) close(ctx context.Context) error {
	srv.mu.Lock()
	srv.refusing, srv.closing = true, true
	srv.mu.Unlock()

	srv.each((*Session).shutDown)
	srv.done()
	var err error
	select {
	case <-srv.idle:
		<-srv.rung
	case <-ctx.Done():
		err = context.Cause(ctx)
		srv.each(func(s *Session) { s.abort(ReasonShutdown) })
	}
	srv.endOver()
	close(srv.stop)
	srv.loops.Wait()
	return err
}

// each calls f for every session without holding the lock.
func (srv *Server) each(f func(*Session)) {
	srv.mu.Lock()
	all := make([]*Session, 0, len(srv.sessions))
	for _, s := range srv.sessions {
		all = append(all, s)
	}
	srv.mu.Unlock()
	for _, s := range all {
		f(s)
	}
}

// enter counts a session that is about to be made; false when the server refuses.
func (srv *Server) enter() bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.refusing {
		return false
	}
	srv.tasks.Add(1)
	return true
}

// add makes a session reachable by its id.
func (srv *Server) add(s *Session) {
	srv.mu.Lock()
	srv.sessions[s.ID()] = s
	closing := srv.closing
	srv.mu.Unlock()
	srv.open.Add(1)
	if closing { // Close may have missed it
		s.Close(ReasonShutdown)
	}
}

// remove forgets a closed session.
func (srv *Server) remove(s *Session) {
	srv.mu.Lock()
	delete(srv.sessions, s.ID())
	srv.mu.Unlock()
	srv.cfg.Logger.LogAttrs(context.Background(), slog.LevelDebug, "engine.io session closed",
		slog.String("reason", string(s.reason)), slog.String("transport", string(s.Transport())))
	srv.done()
}

func (srv *Server) session(id string) *Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[id]
}

// spawn runs f on a goroutine that Close waits for. Only what is itself counted may call it.
func (srv *Server) spawn(f func()) {
	srv.tasks.Add(1)
	srv.hand(f)
}

// hand is spawn for a caller whose own count goes over to the goroutine.
func (srv *Server) hand(f func()) {
	go func() {
		defer srv.done()
		f()
	}()
}

func (srv *Server) done() {
	if srv.tasks.Add(-1) == 0 {
		close(srv.idle)
	}
}

// now is the time since the server was made, on the monotonic clock.
func (srv *Server) now() time.Duration { return time.Since(srv.start) }

func (srv *Server) offers(t Transport) bool { return slices.Contains(srv.cfg.Transports, t) }

func (srv *Server) nextFlusher() *flusher {
	return srv.flushers[srv.turns.Add(1)%uint32(len(srv.flushers))]
}

var _ http.Handler = (*Server)(nil)
