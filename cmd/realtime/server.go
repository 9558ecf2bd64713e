package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/config"
	"github.com/realtime-ai/realtime-message-go/internal/connlimit"
	"github.com/realtime-ai/realtime-message-go/presence"
	"github.com/realtime-ai/realtime-message-go/socketio"
)

const (
	// startTimeout bounds the wait for the store at the start.
	startTimeout = 5 * time.Second
	// drainTimeout bounds a drain beyond the time over which connections close:
	// with that by default below the 30 s that Kubernetes waits.
	drainTimeout = 15 * time.Second
)

// server is what dev and serve have in common: a Socket.IO server with
// presence behind an HTTP server, from the listener to the drain.
type server struct {
	cfg      *config.Config
	log      *slog.Logger
	io       *socketio.Server
	mux      *http.ServeMux
	phase    phase
	limit    *connlimit.Limit
	presence presence.Options

	presenceError func(error) error // words a failure of presence.Init
	ready         func(url string)  // prints the ready line
}

func newServer(c *config.Config, log *slog.Logger) (*server, error) {
	limit, err := newLimit(c, log)
	if err != nil {
		return nil, err
	}
	io, err := socketio.NewServer(socketio.Config{Engine: engineio.Config{
		PingInterval:   c.PingInterval(),
		PingTimeout:    c.PingTimeout.Millis(),
		MaxPayload:     int(c.MaxPayload),
		MaxLargeBytes:  int(c.MaxLarge),
		AllowedOrigins: c.CORSOrigins,
		AllowedHosts:   c.AllowedHosts,
		Logger:         log,
	}})
	if err != nil {
		return nil, fmt.Errorf("making the Socket.IO server: %w", err)
	}
	s := &server{cfg: c, log: log, io: io, limit: limit, mux: http.NewServeMux(), presence: presence.Options{
		IO:             io,
		TTL:            c.TTL.Millis(),
		ReaperInterval: c.ReaperInterval.Millis(),
		ReaperLookback: c.Lookback(),
		NodeLease:      c.NodeLease.Millis(),
		AwayAfter:      c.AwayAfter.Millis(),
		MaxTick:        c.MaxTick.Millis(),
		MaxGrace:       c.MaxGrace.Millis(),
		MaxIDBytes:     int(c.MaxIDBytes),
		MaxStateBytes:  int(c.MaxStateBytes),
		MaxRooms:       int(c.MaxRooms),
		RelayEvents:    c.RelayEvents,
		RefuseUnknown:  true,
		DrainPeriod:    drainPeriod(c),
		Logger:         log,
	}}
	s.presenceError = func(err error) error { return fmt.Errorf("starting presence: %w", err) }
	s.mux.Handle(socketPath, s.phase.whenStarted(io)) // without it the mux would redirect, which no client follows
	s.mux.Handle(socketPath+"/", s.phase.whenStarted(io))
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	s.mux.HandleFunc("GET /readyz", s.phase.readyz)
	return s, nil
}

// drainPeriod is DRAIN_MS as presence.Options has it, where 0 is the default.
func drainPeriod(c *config.Config) time.Duration {
	if c.Drain == 0 {
		return -1
	}
	return c.Drain.Millis()
}

// run listens, starts presence, serves until a signal, and drains. A second
// signal makes it return at once.
func (s *server) run() error {
	signals := watchSignals()
	defer signals.stop()
	defer s.limit.Close()
	listeners, err := s.listen(s.cfg.Port, "PORT")
	if err != nil {
		return err
	}
	web := s.httpServer()
	failed := make(chan error, 1)
	go func() { failed <- serve(web, listeners) }()
	defer func() { _ = web.Close() }()

	rt, err := s.startPresence(signals)
	if errors.Is(err, errSignal) {
		return nil
	}
	if err != nil {
		return err
	}
	s.phase.set(serving)
	s.ready(publicURL(string(s.cfg.Host), listeners[0].Addr()))

	var failure error
	select {
	case err := <-failed:
		failure = fmt.Errorf("serving HTTP: %w", err)
	case <-signals.first.Done():
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.drain(rt, web)
	}()
	select {
	case <-done:
		return failure
	case <-signals.second.Done():
		return errors.New("stopped by a second signal, without finishing the drain")
	}
}

var errSignal = errors.New("stopped by a signal while starting")

// startPresence runs presence.Init, which a timer and the first signal cancel.
func (s *server) startPresence(signals *signals) (*presence.Runtime, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	slow := time.AfterFunc(startTimeout, func() { cancel(fmt.Errorf("no answer within %v", startTimeout)) })
	defer slow.Stop()
	forget := context.AfterFunc(signals.first, func() { cancel(errSignal) })
	defer forget()
	rt, err := presence.Init(ctx, s.presence)
	if err == nil {
		return rt, nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, errSignal) {
		return nil, cause
	} else if cause != nil {
		err = cause
	}
	return nil, s.presenceError(err)
}

// drain lets clients go: balancers see it first, then no new connections come,
// those there are close one after the other, members leave or go into grace,
// requests end.
func (s *server) drain(rt *presence.Runtime, web *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain.Millis()+drainTimeout)
	defer cancel()
	s.phase.set(draining)
	s.log.Info("draining; a second signal stops at once")
	s.io.Refuse()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"presence", rt.Close},
		{"Socket.IO", s.io.Close},
		{"HTTP", web.Shutdown},
	} {
		if err := step.run(ctx); err != nil {
			s.log.Warn("drain did not finish", "part", step.name, "error", err)
		}
	}
	s.log.Info("drained")
}

// publicURL is a URL under which this machine reaches the listener.
func publicURL(host string, addr net.Addr) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
