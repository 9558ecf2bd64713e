package presence

import (
	"context"
	"sync"
	"time"
)

// maxDeadlineStep is the most by which a shared context may outlast a deadline.
const maxDeadlineStep = 20 * time.Millisecond

// deadlines shares one context, with its one timer, among requests whose
// deadlines fall into the same short time.
type deadlines struct {
	mu   sync.Mutex
	open map[int64]context.Context // by which of those times it ends with
}

// near is a context that ends at a time of the engine's clock, or a little
// later: unlike until it costs next to nothing.
func (e *engine) near(deadline time.Time) context.Context {
	step := min(maxDeadlineStep, e.storeTimeout/20+1)
	at := deadline.UnixNano()
	nth := at / int64(step)
	d := &e.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx := d.open[nth]; ctx != nil && ctx.Err() == nil {
		return ctx
	}
	ctx, cancel := e.until(deadline.Add(time.Duration((nth+1)*int64(step) - at)))
	if d.open == nil {
		d.open = make(map[int64]context.Context)
	}
	d.open[nth] = ctx
	context.AfterFunc(ctx, func() { // nobody who shares it may end it sooner
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.open[nth] == ctx {
			delete(d.open, nth)
		}
	})
	return ctx
}

// until is a context that ends at a time of the engine's clock.
func (e *engine) until(deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(e.ctx, deadline.Sub(e.clock.Now()))
}
