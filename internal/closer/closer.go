// Package closer gives every Close of this module one contract: the first call
// does the work; every other call, at the same time or later, waits for the first
// one and returns what that returned.
package closer

import (
	"context"
	"fmt"
	"sync"
)

// Closer is the state of one Close. The zero value is ready for use.
type Closer struct {
	mu   sync.Mutex
	done chan struct{} // nil before the first call; closed when that one has returned
	err  error         // what it returned; written before done is closed
}

// Close runs f if it is the first call, and returns what f returned. Every other
// call waits for that; when its ctx ends before, it fails with an error that wraps
// the one of ctx, and the first call goes on.
func (c *Closer) Close(ctx context.Context, f func() error) error {
	if c.begin() {
		defer close(c.done)
		c.err = f()
		return c.err
	}
	select {
	case <-c.done: // a ctx that has ended too must not hide the result
		return c.err
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("another Close is under way: %w", context.Cause(ctx))
	}
}

// begin reports whether the caller is the first.
func (c *Closer) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return false
	}
	c.done = make(chan struct{})
	return true
}
