package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPhase(t *testing.T) {
	var p phase
	app := p.whenStarted(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "app") }))
	status := func(h http.Handler) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Code
	}
	for _, step := range []struct {
		phase      int32
		ready, app int
	}{
		{starting, http.StatusServiceUnavailable, http.StatusServiceUnavailable},
		{serving, http.StatusOK, http.StatusOK},
		{draining, http.StatusServiceUnavailable, http.StatusOK}, // polls of open sessions go on
	} {
		p.set(step.phase)
		if ready, app := status(http.HandlerFunc(p.readyz)), status(app); ready != step.ready || app != step.app {
			t.Errorf("phase %d: readyz %d, application %d; want %d and %d", step.phase, ready, app, step.ready, step.app)
		}
	}
}
