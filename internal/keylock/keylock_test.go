package keylock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// Of all who want a key one has it at a time, while other keys are free; in the end
// nothing is left behind.
func TestOneHolderPerKey(t *testing.T) {
	var l Locks[string]
	var wg sync.WaitGroup
	counts := map[string]*int{"a": new(int), "b": new(int)} // each guarded by the lock of its key
	for range 50 {
		for key, n := range counts {
			wg.Go(func() {
				if err := l.Lock(t.Context(), key); err != nil {
					t.Error(err)
					return
				}
				defer l.Unlock(key)
				*n++
				if l.TryLock(key) {
					t.Error("a key that is locked was locked")
				}
			})
		}
	}
	wg.Wait()
	if *counts["a"] != 50 || *counts["b"] != 50 || len(l.held) != 0 {
		t.Errorf("locked %d and %d times, want 50 each; %d keys are left", *counts["a"], *counts["b"], len(l.held))
	}
}

// A wait ends with its context, and does not get the key later.
func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks[int]
		if !l.TryLock(1) || !l.TryLock(2) {
			t.Fatal("a free key could not be locked")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var gaveUp, got error
		go func() { gaveUp = l.Lock(ctx, 1) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(gaveUp, context.Canceled) {
			t.Errorf("a wait that was cancelled: %v", gaveUp)
		}
		go func() { got = l.Lock(t.Context(), 1) }()
		synctest.Wait()
		l.Unlock(1)
		synctest.Wait()
		if got != nil || l.TryLock(1) {
			t.Errorf("the key did not go to who waited: %v", got)
		}
		if err := l.Lock(ctx, 3); err != nil {
			t.Errorf("a free key needs no wait: %v", err)
		}
		for _, key := range []int{1, 2, 3, 4} {
			l.Unlock(key) // nobody has 4
		}
		if len(l.held) != 0 {
			t.Errorf("%d keys are left", len(l.held))
		}
	})
}
