package presence

import (
	"context"
	"sync"
	"time"
)

// deadlineStep is by how much the deadlines may differ of requests that share a
// context; the tenth of the store's timeout that is left for answering is more.
const deadlineStep = 20 * time.Millisecond

// deadlines shares one context, with its one timer, among requests whose
// deadlines are about the same. The zero value is ready.
type deadlines struct {
	mu  sync.Mutex
	at  time.Time
	ctx context.Context
}

// near is a context that ends about a time of the engine's clock. Unlike until
// it costs next to nothing, and it does not end before.
func (e *engine) near(deadline time.Time) context.Context {
	d := &e.deadlines
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || d.ctx.Err() != nil || deadline.Sub(d.at).Abs() >= deadlineStep {
		ctx, cancel := e.until(deadline)
		context.AfterFunc(ctx, cancel) // nobody who shares it may end it sooner
		d.at, d.ctx = deadline, ctx
	}
	return d.ctx
}

// until is a context that ends at a time of the engine's clock.
func (e *engine) until(deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(e.ctx, deadline.Sub(e.clock.Now()))
}
