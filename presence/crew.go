package presence

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// lastWait is how long a wait that was cut short still allows the engine's own
// goroutines: their context has ended, they only need a moment.
const lastWait = time.Second

const (
	// maxResting is how many goroutines wait for more to do when they are done:
	// a new one has a small stack, and growing it costs more than what most lanes
	// do on it.
	maxResting = 64
	// restTime is how long one waits, up to twice that.
	restTime = 5 * time.Second
)

// crew is the goroutines of an engine. Some may be in the application's code,
// which ends when it likes.
type crew struct {
	mu      sync.Mutex
	change  *sync.Cond // made by the first wait
	closed  bool
	all     int           // those that rest apart
	outside int           // of them in the application's code
	resting []chan func() // takes what is next to do, or nil to end; the last to come goes first
	unused  int           // how many rested all the time since dismiss
}

// start runs f on a goroutine of the crew. It reports false, and runs nothing,
// when the crew is closed.
func (c *crew) start(f func()) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	c.all++
	last := len(c.resting) - 1
	if last < 0 {
		c.mu.Unlock()
		go c.work(f)
		return true
	}
	next := c.resting[last]
	c.resting[last] = nil
	c.resting = c.resting[:last]
	c.unused = min(c.unused, last)
	c.mu.Unlock()
	next <- f // it has room
	return true
}

// hold keeps a place for work that goes on without a goroutine; release gives it
// back. It reports false when the crew is closed.
func (c *crew) hold() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.all++
	return true
}

func (c *crew) release() { c.count(&c.all, -1) }

// goOn runs f for who holds a place, closed or not.
func (c *crew) goOn(f func()) {
	if !c.start(f) {
		go f()
	}
}

// work is one goroutine.
func (c *crew) work(f func()) {
	defer c.count(&c.all, -1)
	next := make(chan func(), 1)
	for f != nil {
		f()
		if !c.rest(next) {
			return
		}
		f = <-next
	}
}

// rest says that the goroutine that calls is free to do what comes on next. It
// reports false when enough are.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.resting) >= maxResting {
		return false
	}
	c.resting = append(c.resting, next)
	c.all--
	if c.change != nil {
		c.change.Broadcast()
	}
	return true
}

// dismiss ends the goroutines that had nothing to do since it last ran.
func (c *crew) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(c.unused)
	c.unused = len(c.resting)
}

// end ends those that rested longest, so many. The lock is held.
func (c *crew) end(n int) {
	for _, next := range c.resting[:n] {
		next <- nil // it has room
	}
	c.all += n
	c.resting = slices.Delete(c.resting, 0, n)
	c.unused = max(0, c.unused-n)
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
	c.end(len(c.resting))
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
