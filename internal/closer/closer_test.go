package closer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errFirst = errors.New("the first one's")

// Whoever calls while the work is done waits for its end, and everybody gets its
// result.
func TestEveryCallReturnsTheFirstResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Closer
		ran := 0
		work := func() error {
			ran++
			time.Sleep(time.Second)
			return errFirst
		}
		results := make(chan error, 3)
		for range 3 {
			go func() { results <- c.Close(t.Context(), work) }()
		}
		synctest.Wait()
		if len(results) > 0 {
			t.Error("a call returned before the work was done")
		}
		for range 3 {
			if err := <-results; err != errFirst {
				t.Errorf("returned %v", err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 { // however the two are ready
			if err := c.Close(ended, work); err != errFirst {
				t.Fatalf("afterwards: %v", err)
			}
		}
		if ran != 1 {
			t.Errorf("ran %d times", ran)
		}
	})
}

// A call that waits keeps to its own context, and leaves the first one alone.
func TestWaitingIsBoundedByTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Closer
		first := make(chan error)
		go func() {
			first <- c.Close(t.Context(), func() error { time.Sleep(time.Minute); return nil })
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := c.Close(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("returned %v after %v", err, time.Since(begin))
		}
		if err := <-first; err != nil {
			t.Errorf("the first one returned %v", err)
		}
	})
}
