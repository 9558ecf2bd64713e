package presence

import (
	"context"
	"time"
)

// minStaggerPause is the least pause between two closings: those that fall due
// within one go together.
const minStaggerPause = 10 * time.Millisecond

// stagger calls f for each item, evenly spread over period, the first at once.
// It returns early when ended reports true, and does the rest without delay
// when ctx ends.
func stagger[T any](ctx context.Context, period time.Duration, items []T, ended func() bool, f func(T)) {
	begin := time.Now()
	at := func(i int) time.Duration { return time.Duration(float64(period) * float64(i) / float64(len(items))) }
	for i, item := range items {
		if wait := at(i) - time.Since(begin); wait > 0 && ctx.Err() == nil {
			if ended() {
				return
			}
			select {
			case <-time.After(max(wait, minStaggerPause)):
			case <-ctx.Done():
			}
		}
		f(item)
	}
}
