package engineio

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/internal/clip"
	"github.com/realtime-ai/realtime-message-go/internal/origin"
)

// preflightAge is how many seconds a browser may remember the answer to a preflight.
const preflightAge = "600"

// admission is how far the sender of a request is trusted.
type admission uint8

const (
	refused   admission = iota
	anonymous           // a page that only "*" admits: without credentials
	admitted
)

// admit says whether the sender of r may connect, and sets the CORS headers that let its page read the
// answer.
func (srv *Server) admit(w http.ResponseWriter, r *http.Request) admission {
	if !srv.hosts.Empty() && !srv.hosts.Match(r.Host) {
		srv.refusals.log(srv, "host", r.Host, r.Host)
		return refused
	}
	h := w.Header()
	if !srv.origins.Empty() {
		h.Add("Vary", "Origin")
	}
	page := r.Header.Get("Origin")
	switch {
	case page == "": // no browser
		return admitted
	case srv.origins.Match(page):
		h.Set("Access-Control-Allow-Origin", page)
		h.Set("Access-Control-Allow-Credentials", "true")
		return admitted
	case origin.Same(page, r.Host, r.TLS != nil):
		return admitted
	case srv.origins.Any():
		h.Set("Access-Control-Allow-Origin", "*")
		return anonymous
	}
	srv.refusals.log(srv, "origin", page, r.Host)
	return refused
}

// preflight answers an OPTIONS request; without the headers of admit it allows nothing.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Max-Age", preflightAge)
		if ask := r.Header.Get("Access-Control-Request-Headers"); ask != "" {
			h.Set("Access-Control-Allow-Headers", ask)
			h.Add("Vary", "Access-Control-Request-Headers")
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

const (
	maxRefusals  = 500 // remembered
	maxRefused   = 256 // bytes of each
	forgetPeriod = time.Hour
)

// refusals remembers which origins and hosts were refused, so that each is logged once. When it is
// full it says so and logs nothing more, and begins again after forgetPeriod: anybody can send any origin.
type refusals struct {
	mu    sync.Mutex
	seen  map[string]struct{}
	since time.Duration // when seen was begun, on the server's clock
}

func (m *refusals) log(srv *Server, what, value, host string) {
	value, host = clip.Text(value, maxRefused), clip.Text(host, maxRefused)
	first, full := m.first(srv.now(), what+" "+value)
	if !first {
		return
	}
	srv.cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, "engine.io refused requests with an "+what+" that is not allowed",
		slog.String(what, value), slog.String("asked_host", host))
	if full {
		srv.cfg.Logger.Warn("engine.io refused more origins and hosts than it remembers; others are not logged for now",
			"logged", maxRefusals, "period", forgetPeriod)
	}
}

// first reports whether something is refused for the first time, and whether there is no place for
// anything else now.
func (m *refusals) first(now time.Duration, key string) (first, full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) >= maxRefusals && now-m.since >= forgetPeriod {
		m.seen = nil
	}
	if m.seen == nil {
		m.seen, m.since = make(map[string]struct{}), now
	}
	if _, known := m.seen[key]; known || len(m.seen) >= maxRefusals {
		return false, false
	}
	m.seen[key] = struct{}{}
	return true, len(m.seen) == maxRefusals
}
