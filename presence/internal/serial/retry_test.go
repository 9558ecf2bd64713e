package serial

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
)

const testTimeout = time.Second

// newTestQueue returns a retry queue with a pool of its own.
func newTestQueue(ctx context.Context, b Bounds) *RetryQueue {
	d := NewDeadlines(ctx, clock.System{}, testTimeout)
	return NewRetryQueue(NewFairPool(4, 0, goTry, clock.System{}), d, b)
}

func newTestExecutor(room string) *Executor {
	x := new(Executor)
	x.Init(room, nil)
	return x
}

// noAnswer is a step that gets none.
func noAnswer(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Executors are counted until their writes are resolved, also while they are retried.
func TestRetryBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestQueue(t.Context(), Bounds{Room: 2, All: 3})
		admits := func(a, b bool) {
			t.Helper()
			if (r.Admit("a") == nil) != a || (r.Admit("b") == nil) != b {
				t.Errorf("%d in doubt: a %v, b %v", r.Len(), r.Admit("a"), r.Admit("b"))
			}
		}
		step := noAnswer
		retried := func(ctx context.Context) error { return step(ctx) }
		admits(true, true)
		x := newTestExecutor("a")
		r.Add(x, retried)
		r.Add(x, retried) // of one executor, which is counted once
		admits(true, true)
		r.Add(newTestExecutor("a"), retried)
		admits(false, true)
		r.Add(newTestExecutor("c"), retried)
		admits(false, false)

		r.Retry()
		synctest.Wait()
		if n := len(r.Waiting()); n != 0 || r.Len() != 3 {
			t.Errorf("%d wait and %d are counted during a retry", n, r.Len())
		}
		admits(false, false)
		time.Sleep(testTimeout)
		synctest.Wait()
		if n := len(r.Waiting()); n != 3 || r.Len() != 3 {
			t.Errorf("%d wait and %d are counted after a retry without an answer", n, r.Len())
		}
		step = func(context.Context) error { return nil }
		r.Retry()
		synctest.Wait()
		admits(true, true)
		if n := len(r.Waiting()); n != 0 || r.Len() != 0 || len(r.ofRoom) != 0 {
			t.Errorf("%d wait, %d and %v are counted when all is resolved", n, r.Len(), r.ofRoom)
		}
	})
}

// A retry runs behind the tasks that wait. Its deadline counts from when it was posted.
func TestRetryDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestQueue(t.Context(), Bounds{})
		x := newTestExecutor("r")
		var ran trace
		posted := time.Now()
		r.Add(x, func(ctx context.Context) error {
			ran.note("retry")()
			if end, ok := ctx.Deadline(); !ok || end.Sub(posted) > testTimeout {
				t.Errorf("a deadline %v after the retry was posted", end.Sub(posted))
			}
			return nil
		})
		hold := make(chan struct{})
		x.Post(func() { <-hold }, 0, goStart)
		x.Post(ran.note("task"), 0, goStart)
		r.Retry()
		time.Sleep(testTimeout / 2)
		close(hold)
		synctest.Wait()
		ran.want(t, "task", "retry")
	})
}

// A step that must succeed comes behind the writes in doubt, and is repeated.
func TestCarryOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTestQueue(t.Context(), Bounds{})
		x := newTestExecutor("r")
		var ran trace
		r.CarryOut(x, time.Now(), ran.step("simple", nil))
		if ran.want(t, "simple"); r.Len() != 0 {
			t.Error("a step that succeeded is in doubt")
		}
		err := errors.New("no answer")
		r.CarryOut(x, time.Now(), func(ctx context.Context) error { return ran.step("first", err)(ctx) })
		r.CarryOut(x, time.Now(), ran.step("second", nil))
		ran.want(t, "first", "first")
		err = nil
		r.Retry()
		synctest.Wait()
		if ran.want(t, "first", "second"); r.Len() != 0 {
			t.Error("steps that succeeded are in doubt")
		}
		posted := time.Now()
		time.Sleep(testTimeout / 2)
		var end time.Time
		r.CarryOut(x, posted, func(ctx context.Context) error {
			end, _ = ctx.Deadline()
			return nil
		})
		if want := r.deadlines.After(posted); !end.Equal(want) {
			t.Errorf("a step that waited for its turn may take until %v, want %v", end, want)
		}
	})
}
