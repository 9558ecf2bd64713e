package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/config"
	"github.com/realtime-ai/realtime-message-go/internal/connlimit"
	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
	"github.com/realtime-ai/realtime-message-go/internal/unsent"
)

// socketPath is where Socket.IO is, with a slash at the end or without.
const socketPath = "/socket.io"

// newLimit bounds the connections below what the process may open.
func newLimit(c *config.Config, log *slog.Logger) (*connlimit.Limit, error) {
	limit := int(c.MaxConnections)
	if most := connlimit.Most(); most > 0 && limit > most {
		return nil, fmt.Errorf("MAX_CONNECTIONS: must be at most %d, since this process may not open more files than that needs (ulimit -n)", most)
	}
	if limit == 0 {
		limit = connlimit.Default()
	}
	return connlimit.New(limit, func(limit, open int) {
		log.Warn("too many connections: new ones are refused (MAX_CONNECTIONS, ulimit -n)", "limit", limit, "open", open)
	}), nil
}

// front refuses connections beyond the limit, but for health checks, and bodies
// that nobody reads.
func (s *server) front(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != socketPath && !strings.HasPrefix(r.URL.Path, socketPath+"/") {
		httpbody.Drop(w, r)
	}
	if connlimit.Refused(r) {
		w.Header().Set("Connection", "close")
		if r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			httpbody.Drop(w, r)
			answer(w, http.StatusServiceUnavailable, "too many connections")
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// httpServer bounds headers and idle connections only: a long poll stays open
// for a whole ping interval, a WebSocket for hours.
func (s *server) httpServer() *http.Server {
	web := &http.Server{
		Handler:           http.HandlerFunc(s.front),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       s.cfg.IdleTimeout.Millis(),
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(&errorLog{log: s.log}, "", 0),
	}
	s.limit.Serve(web)
	return web
}

// listen opens a port at HOST. The name localhost is both its addresses, since
// clients do not agree on which to try.
func (s *server) listen(port config.Number, setting string) ([]net.Listener, error) {
	host := string(s.cfg.Host)
	first := host
	if host == "localhost" {
		first = "127.0.0.1"
	}
	var config net.ListenConfig
	config.Control = func(_, _ string, conn syscall.RawConn) error {
		unsent.Limit(conn)
		return nil
	}
	ctx := context.Background()
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(first, strconv.Itoa(int(port))))
	if err != nil {
		return nil, fmt.Errorf("cannot listen (HOST, %s): %w", setting, err)
	}
	listeners := []net.Listener{s.limit.Listen(listener)}
	if host != "localhost" {
		return listeners, nil
	}
	_, chosen, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the address of a listener: %w", err), listener.Close())
	}
	second, err := config.Listen(ctx, "tcp", net.JoinHostPort("::1", chosen))
	switch {
	case err == nil:
		listeners = append(listeners, s.limit.Listen(second))
	case errors.Is(err, syscall.EADDRINUSE) && port != 0: // by another server, which browsers would find
		return nil, errors.Join(fmt.Errorf("cannot listen (HOST, %s): %w", setting, err), listener.Close())
	}
	return listeners, nil
}

// serve serves all listeners and returns when the first of them fails or the
// server is closed.
func serve(web *http.Server, listeners []net.Listener) error {
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { failed <- web.Serve(l) }()
	}
	return <-failed
}

const (
	errorsPerMinute = 10
	panicPrefix     = "http: panic serving"
)

// errorLog hands on what net/http has to say. Clients can cause most of it, so
// that it passes only a few lines a minute, but every panic.
type errorLog struct {
	log *slog.Logger

	mu      sync.Mutex
	began   time.Time // the minute
	lines   int       // in it
	skipped int       // since the last line
}

// Write takes one line.
func (e *errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if strings.HasPrefix(text, panicPrefix) {
		e.log.Error(text)
		return len(line), nil
	}
	if skipped, ok := e.pass(time.Now()); ok {
		attrs := []slog.Attr{}
		if skipped > 0 {
			attrs = append(attrs, slog.Int("left_out", skipped))
		}
		e.log.LogAttrs(context.Background(), slog.LevelWarn, text, attrs...)
	}
	return len(line), nil
}

func (e *errorLog) pass(now time.Time) (skipped int, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.began) >= time.Minute {
		e.began, e.lines = now, 0
	}
	if e.lines >= errorsPerMinute {
		e.skipped++
		return 0, false
	}
	e.lines++
	skipped, e.skipped = e.skipped, 0
	return skipped, true
}
