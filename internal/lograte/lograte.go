// Package lograte keeps a fault that lasts, or that many clients cause, from filling the log.
package lograte

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Variants is how many lines with the same message but other attributes are told apart. All
// others of the message count as one.
const Variants = 16

// maxMessages bounds what a handler remembers. Beyond it lines pass unthrottled.
const maxMessages = 1024

// maxCompared is how many bytes of an attribute are compared, and kept.
const maxCompared = 512

// Limit returns a logger that writes a line once and then once per interval for as long as it is
// repeated, with the number of lines left out since as "repeated". Lines are the same when level,
// message and attributes are; the local address of a connection, as in an error of package net,
// does not count. So no line hides one about another server, room or user, up to Variants of a
// message at a time, and there are never more than Variants + 1 lines of a message in an interval.
// Lines below info, for operators who want to see everything, and above warn, for what must not
// happen, are always written.
func Limit(log *slog.Logger, interval time.Duration) *slog.Logger {
	return slog.New(&handler{Handler: log.Handler(), seen: &seen{interval: interval, messages: make(map[kind]*message)}})
}

type handler struct {
	slog.Handler
	with string // the attributes that all lines have
	seen *seen
}

type kind struct {
	level slog.Level
	text  string
}

// message is what became of the lines with a message.
type message struct {
	variants map[string]*tally // by attributes
	rest     tally             // those that are not told apart
}

// tally is what became of the lines that are the same.
type tally struct {
	written time.Time // zero: never
	left    int       // out since then
}

// seen is shared by a handler and those derived from it.
type seen struct {
	interval time.Duration

	mu       sync.Mutex
	messages map[kind]*message
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo || r.Level > slog.LevelWarn {
		return h.Handler.Handle(ctx, r)
	}
	var b strings.Builder
	b.WriteString(h.with)
	r.Attrs(func(a slog.Attr) bool {
		describe(&b, a)
		return true
	})
	left, ok := h.seen.pass(kind{r.Level, r.Message}, b.String(), time.Now())
	if !ok {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("repeated", left))
	}
	return h.Handler.Handle(ctx, r)
}

// describe appends an attribute, without local addresses such as that in
// "read tcp 10.0.0.1:50123->10.0.0.2:6379: i/o timeout": each connection has another.
func describe(b *strings.Builder, a slog.Attr) {
	b.WriteString(a.Key)
	b.WriteByte('=')
	text := a.Value.Resolve().String()
	for {
		before, after, found := strings.Cut(text, "->")
		if !found {
			break
		}
		b.WriteString(before[:strings.LastIndexByte(before, ' ')+1])
		text = after
	}
	b.WriteString(text[:min(len(text), maxCompared)])
	b.WriteByte('\n')
}

// pass decides on a line, and says how many were left out before it.
func (s *seen) pass(k kind, attrs string, now time.Time) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[k]
	if m == nil {
		if len(s.messages) >= maxMessages {
			return 0, true
		}
		m = &message{variants: make(map[string]*tally)}
		s.messages[k] = m
	}
	t := m.variants[attrs]
	if t == nil {
		t = m.add(attrs, now, s.interval)
	}
	if !t.written.IsZero() && now.Sub(t.written) < s.interval {
		t.left++
		return 0, false
	}
	left = t.left
	*t = tally{written: now}
	return left, true
}

// add returns a tally for attributes that have none. When all variants are in use, it reuses a
// tally whose interval is over; the lines that this tally had left out are added to the shared one.
func (m *message) add(attrs string, now time.Time, interval time.Duration) *tally {
	if len(m.variants) >= Variants {
		for old, t := range m.variants {
			if now.Sub(t.written) >= interval {
				m.rest.left += t.left
				delete(m.variants, old)
			}
		}
	}
	if len(m.variants) >= Variants {
		return &m.rest
	}
	t := new(tally)
	m.variants[attrs] = t
	return t
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.with)
	for _, a := range attrs {
		describe(&b, a)
	}
	return &handler{h.Handler.WithAttrs(attrs), b.String(), h.seen}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.with + name + ".", h.seen}
}
