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
	"syscall"
	"time"

	"github.com/realtime-ai/realtime-message-go/engineio"
	"github.com/realtime-ai/realtime-message-go/internal/config"
	"github.com/realtime-ai/realtime-message-go/internal/connlimit"
	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
	"github.com/realtime-ai/realtime-message-go/internal/listen"
	"github.com/realtime-ai/realtime-message-go/internal/lograte"
	"github.com/realtime-ai/realtime-message-go/internal/wslisten"
)

// socketPath is where Socket.IO is, with a slash at the end or without.
const socketPath = "/socket.io"

// newLimit bounds the connections below what the process may open.
func newLimit(c *config.Config, log *slog.Logger) (*connlimit.Limit, error) {
	limit := int(c.MaxConnections)
	if most := connlimit.Most(); most > 0 && limit > most {
		return nil, fmt.Errorf("MAX_CONNECTIONS: must be at most %d: this process may open no more files than that needs (ulimit -n)", most)
	}
	if limit == 0 {
		limit = connlimit.Default()
	}
	full := lograte.Limit(log, time.Minute)
	return connlimit.New(limit, func() {
		full.Warn("too many connections: new ones are refused (MAX_CONNECTIONS, ulimit -n)", "limit", limit)
	}), nil
}

// front refuses connections beyond the limit, but for health checks, and bodies
// that nobody reads.
func (s *server) front(w http.ResponseWriter, r *http.Request) {
	toSocket := r.URL.Path == socketPath || strings.HasPrefix(r.URL.Path, socketPath+"/")
	if r.Method != http.MethodPost || !toSocket {
		httpbody.Drop(w, r)
	}
	if toSocket {
		httpbody.AnswerLimitOff(w) // of the request before
	} else {
		httpbody.LimitAnswer(w)
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
		ErrorLog:          log.New(newErrorLog(s.log), "", 0),
		BaseContext:       func(net.Listener) context.Context { return listen.Context(context.Background()) },
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
	ctx := context.Background()
	listener, err := listen.Open(ctx, net.JoinHostPort(first, strconv.Itoa(int(port))))
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
	second, err := listen.Open(ctx, net.JoinHostPort("::1", chosen))
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
		go func() { failed <- web.Serve(wslisten.Listen(l, web, opensWebSocket)) }()
	}
	return <-failed
}

// opensWebSocket tells which handshakes need no net/http: those that begin a session. One that moves a
// session from polling to a WebSocket could be refused for what it changes, so it must not be tried twice.
func opensWebSocket(r *http.Request) bool {
	query := r.URL.Query()
	return strings.HasPrefix(r.URL.Path, socketPath) && query.Get("transport") == string(engineio.WebSocket) && !query.Has("sid")
}

const panicPrefix = "http: panic serving"

// errorLog logs the messages of net/http. Clients can cause all of them but panics.
type errorLog struct {
	log    *slog.Logger
	faults *slog.Logger // throttled
}

func newErrorLog(log *slog.Logger) *errorLog {
	return &errorLog{log, lograte.Limit(log, time.Minute)}
}

// Write takes one line.
func (e *errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	if strings.HasPrefix(text, panicPrefix) {
		e.log.Error(text)
	} else {
		e.faults.Warn("HTTP connection failed", "error", text)
	}
	return len(line), nil
}
