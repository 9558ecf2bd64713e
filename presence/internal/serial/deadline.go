package serial

import (
	"context"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
)

// deadlineSlack is the most by which a shared context may outlast a deadline.
const deadlineSlack = 20 * time.Millisecond

// Deadlines makes the contexts of calls of the store. All of them end when the context of
// the owner does. Methods are safe for concurrent use, and none of them blocks.
type Deadlines struct {
	ctx     context.Context
	clock   clock.Clock
	timeout time.Duration

	mu   sync.Mutex
	open map[int64]context.Context // shared ones, by their end as a multiple of the step
}

// NewDeadlines returns what makes contexts below ctx. timeout is how long one call of the
// store may take.
func NewDeadlines(ctx context.Context, c clock.Clock, timeout time.Duration) *Deadlines {
	return &Deadlines{ctx: ctx, clock: c, timeout: timeout, open: make(map[int64]context.Context)}
}

// After is when the store must have answered what a request asks of it that came at t: a
// little before the timeout, since the answer takes some time too.
func (d *Deadlines) After(t time.Time) time.Time { return t.Add(d.timeout - d.timeout/10) }

// Call returns a context for one call of the store that begins now.
func (d *Deadlines) Call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.ctx, d.timeout)
}

// Until returns a context that ends at a time of the clock.
func (d *Deadlines) Until(deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(d.ctx, deadline.Sub(d.clock.Now()))
}

// Shared returns a context that ends at a time of the clock, or up to 20 ms later, and
// never later than by a 20th of the timeout. Calls with deadlines that are close together
// get the same context, which has one timer: unlike Until it costs next to nothing.
func (d *Deadlines) Shared(deadline time.Time) context.Context {
	step := min(deadlineSlack, d.timeout/20+1)
	at := deadline.UnixNano()
	nth := at / int64(step)
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx := d.open[nth]; ctx != nil && ctx.Err() == nil {
		return ctx
	}
	ctx, cancel := d.Until(deadline.Add(time.Duration((nth+1)*int64(step) - at)))
	d.open[nth] = ctx
	context.AfterFunc(ctx, func() { // none of those that share it may end it earlier
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.open[nth] == ctx {
			delete(d.open, nth)
		}
	})
	return ctx
}
