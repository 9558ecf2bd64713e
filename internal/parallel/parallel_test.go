package parallel

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, atOnce = 10, 3
		var running atomic.Int64
		calls := make([]int, n)
		begun := time.Now()
		err := Each(t.Context(), n, atOnce, func(i int) error {
			if running.Add(1) > atOnce {
				t.Error("more at once")
			}
			time.Sleep(time.Second)
			running.Add(-1)
			calls[i]++
			return nil
		})
		if took := time.Since(begun); err != nil || slices.Min(calls) != 1 || slices.Max(calls) != 1 || took != 4*time.Second {
			t.Errorf("calls %v in %v, %v", calls, took, err)
		}
	})
}

func TestEachEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10
		bad := errors.New("bad")
		for name, end := range map[string]func(cancel func()) error{
			"by an error":  func(func()) error { return bad },
			"with its ctx": func(cancel func()) error { cancel(); return nil },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			var calls atomic.Int64
			err := Each(ctx, n, 2, func(i int) error {
				defer calls.Add(1)
				time.Sleep(time.Duration(i+1) * time.Second)
				if i == 1 {
					return end(cancel)
				}
				return nil
			})
			cancel()
			// The call that runs beside the last one goes on.
			if calls.Load() != 3 || errors.Is(err, bad) != (name == "by an error") {
				t.Errorf("%s: %d calls, %v", name, calls.Load(), err)
			}
		}
	})
}
