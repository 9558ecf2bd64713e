package engine

import (
	"context"
	"sync"
	"time"
)

// deadlineSlack is the most by which a shared context may outlast a deadline.
const deadlineSlack = 20 * time.Millisecond

// sharedDeadlines shares one context, and its one timer, among requests whose deadlines are close
// together.
type sharedDeadlines struct {
	mu   sync.Mutex
	open map[int64]context.Context // by which of those times it ends with
}

// sharedContext is a context that ends at a time of the engine's clock, or a little
// later: unlike until it costs next to nothing.
func (e *Engine) sharedContext(deadline time.Time) context.Context {
	step := min(deadlineSlack, e.StoreTimeout/20+1)
	at := deadline.UnixNano()
	nth := at / int64(step)
	d := &e.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx := d.open[nth]; ctx != nil && ctx.Err() == nil {
		return ctx
	}
	ctx, cancel := e.contextUntil(deadline.Add(time.Duration((nth+1)*int64(step) - at)))
	if d.open == nil {
		d.open = make(map[int64]context.Context)
	}
	d.open[nth] = ctx
	context.AfterFunc(ctx, func() { // no caller that shares it may end it earlier
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.open[nth] == ctx {
			delete(d.open, nth)
		}
	})
	return ctx
}

// contextUntil is a context that ends at a time of the engine's clock.
func (e *Engine) contextUntil(deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(e.ctx, deadline.Sub(e.clock.Now()))
}
