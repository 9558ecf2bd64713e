package presence

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// lastWait is how long a wait that was cut short still allows the engine's own
// goroutines: their context has ended, they only need a moment.
const lastWait = time.Second

// crew is the goroutines of an engine. Some may be in the application's code,
// which ends when it likes.
type crew struct {
	mu      sync.Mutex
	change  *sync.Cond // made by the first wait
	closed  bool
	all     int
	outside int // of them in the application's code
}

// start runs f on a goroutine of the crew. It reports false, and runs nothing,
// when the crew is closed.
func (c *crew) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.all++
	go func() {
		defer c.count(&c.all, -1)
		f()
	}()
	return true
}

// leave says that the goroutine that calls goes into the application's code, a
// call of back that it returned.
func (c *crew) leave() { c.count(&c.outside, 1) }

func (c *crew) back() { c.count(&c.outside, -1) }

func (c *crew) count(n *int, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n += by
	if c.change != nil {
		c.change.Broadcast()
	}
}

// close lets no goroutine begin any more.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// wait blocks until every goroutine has ended. Once ctx has, it leaves alone
// those in the application's code and returns the error of ctx.
func (c *crew) wait(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change == nil {
		c.change = sync.NewCond(&c.mu)
	}
	c.waitFor(ctx, func() bool { return c.all == 0 })
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWait)
	defer cancel()
	c.waitFor(late, func() bool { return c.all == c.outside })
	if c.all > 0 {
		return fmt.Errorf("%d goroutines still run, %d of them in functions of the application: %w", c.all, c.outside, ctx.Err())
	}
	return nil
}

// waitFor blocks until done is true or ctx ends. The lock is held.
func (c *crew) waitFor(ctx context.Context, done func() bool) {
	stop := context.AfterFunc(ctx, func() { c.count(&c.all, 0) })
	defer stop()
	for !done() && ctx.Err() == nil {
		c.change.Wait()
	}
}
