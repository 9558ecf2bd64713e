// Package engineio is a server for Engine.IO, protocol version 4: message-wise, ordered
// connections over HTTP long-polling and WebSocket, with an upgrade from the first to the second
// and a heartbeat.
package engineio

import (
	"context"
	"net/http"
)

// Server accepts sessions. It is an [http.Handler] that mounts in any mux at any path.
type Server struct {
	cfg Config
}

// NewServer returns a server. For each new session accept is called once, on the goroutine of the
// handshake request, and returns the session's handler; it may already Send. It must not block.
// The error names the field of cfg that is wrong. Close must be called in the end.
func NewServer(cfg Config, accept func(*Session) Handler) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg}, nil
}

// ServeHTTP serves one request of any transport.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Config returns the configuration in force, with defaults filled in.
func (s *Server) Config() Config { return s.cfg }

// Refuse makes the server answer new handshakes with 503 from now on. Existing sessions go on.
func (s *Server) Refuse() {}

// Sessions returns the number of open sessions.
func (s *Server) Sessions() int { return 0 }

// Close refuses new sessions, closes those that exist after what is queued for them was sent
// (WebSocket code 1001, the close packet on polling), and waits for all goroutines of the server
// and for every HandleClose. When ctx ends first, the connections are cut, and its error returned.
func (s *Server) Close(ctx context.Context) error { return nil }
