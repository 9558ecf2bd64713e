// Package parallel does many tasks, some at a time.
package parallel

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Each calls f with each number below n, in order, atOnce calls at a time, and waits for
// them. After an error, or when ctx has ended, it begins no more. It returns the errors of
// the calls; the end of ctx is none.
func Each(ctx context.Context, n, atOnce int, f func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	errs := make([]error, max(min(n, atOnce), 0))
	for w := range errs {
		workers.Go(func() {
			for ctx.Err() == nil && !failed.Load() {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				if errs[w] = f(i); errs[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}
