// Package clock is the time by which a node lives. A node of a simulation has a clock of
// its own, which can stop while those of the other nodes go on.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and calls functions later. Its methods are safe for concurrent
// use, and none of them blocks.
type Clock interface {
	// Now is the present time, with a monotonic half.
	Now() time.Time
	// AfterFunc calls f on its own goroutine after d, unless stopped before.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that waits for its time.
type Timer interface {
	// Stop reports whether it prevented the call.
	Stop() bool
}

// System is the clock of package time.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now() }

// AfterFunc implements Clock.
func (System) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

// Sleep waits for d by a clock. It reports false when ctx ended meanwhile, or had ended
// before.
func Sleep(ctx context.Context, c Clock, d time.Duration) bool {
	done := make(chan struct{})
	t := c.AfterFunc(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-done:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
