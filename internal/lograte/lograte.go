// Package lograte keeps a fault that lasts from filling the log.
package lograte

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Interval is how often the same line is written while its cause lasts.
const Interval = time.Minute

// maxKinds bounds what a handler remembers. Beyond it lines pass unthrottled.
const maxKinds = 1024

// Limit returns a logger that writes a line once and then once per Interval for
// as long as it is repeated, with the number of lines left out since as
// "repeated". Lines are the same when level and message are; the attributes may
// differ. Lines below warn pass as they are.
func Limit(log *slog.Logger) *slog.Logger {
	return slog.New(&handler{Handler: log.Handler(), seen: &seen{kinds: make(map[kind]*tally)}})
}

type handler struct {
	slog.Handler
	seen *seen
}

type kind struct {
	level   slog.Level
	message string
}

// tally is what became of the lines of a kind.
type tally struct {
	written time.Time
	left    int // out since then
}

// seen is shared by a handler and those derived from it.
type seen struct {
	mu    sync.Mutex
	kinds map[kind]*tally
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		left, ok := h.seen.pass(kind{r.Level, r.Message}, time.Now())
		if !ok {
			return nil
		}
		if left > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", left))
		}
	}
	return h.Handler.Handle(ctx, r)
}

// pass decides on a line, and says how many were left out before it.
func (s *seen) pass(k kind, now time.Time) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.kinds[k]
	switch {
	case t == nil && len(s.kinds) < maxKinds:
		s.kinds[k] = &tally{written: now}
		return 0, true
	case t == nil:
		return 0, true
	case now.Sub(t.written) < Interval:
		t.left++
		return 0, false
	}
	left = t.left
	*t = tally{written: now}
	return left, true
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs), h.seen}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.seen}
}
