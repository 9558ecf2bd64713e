package node

import (
	"sync/atomic"
	"time"
)

// StoreClock is the store's time as this node knows it. It counts on from the last life
// sign by the monotonic clock of the node, so a step of the node's wall clock changes
// nothing. The zero value is ready for use.
type StoreClock struct {
	last atomic.Pointer[reading]
}

// reading is what the store's clock showed, in Unix ms, at a moment of the node's clock.
type reading struct {
	at      time.Time
	storeMs int64
}

// At returns the store's time, in Unix ms, at a moment of the node's clock. Until the
// first Learn it takes the wall clock of the node for the store's. It is safe for
// concurrent use and takes no lock.
func (c *StoreClock) At(t time.Time) int64 {
	r := c.last.Load()
	if r == nil {
		return t.UnixMilli()
	}
	return r.storeMs + t.Sub(r.at).Milliseconds()
}

// Learn takes in that the store's clock showed storeMs at some moment between before and
// after. What was known until then changes only as far as it contradicts that: an answer
// that took long says little. Calls come one at a time.
func (c *StoreClock) Learn(before, after time.Time, storeMs int64) {
	r := reading{at: before.Add(after.Sub(before) / 2), storeMs: storeMs}
	if c.last.Load() != nil {
		earliest := storeMs - after.Sub(before).Milliseconds() // of the store's time at before
		r = reading{at: before, storeMs: min(max(c.At(before), earliest), storeMs)}
	}
	c.last.Store(&r)
}
