package main

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/realtime-ai/realtime-message-go/internal/httpbody"
)

// phase is where the server stands between its start and its end.
type phase struct{ v atomic.Int32 }

const (
	starting int32 = iota
	serving
	draining
)

func (p *phase) set(v int32) { p.v.Store(v) }

// readyz says whether a balancer should send clients here. It does not ask the
// store: all servers share it, and a balancer would drop them all at once.
func (p *phase) readyz(w http.ResponseWriter, _ *http.Request) {
	switch p.v.Load() {
	case starting:
		answer(w, http.StatusServiceUnavailable, "starting")
	case draining:
		answer(w, http.StatusServiceUnavailable, "draining")
	default:
		answer(w, http.StatusOK, "ready")
	}
}

// whenStarted keeps clients away while there are no handlers yet.
func (p *phase) whenStarted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.v.Load() == starting {
			httpbody.Drop(w, r)
			answer(w, http.StatusServiceUnavailable, "starting")
			return
		}
		h.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}
