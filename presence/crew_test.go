package presence

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A goroutine that is done does what comes next; only some wait for that, and
// not for ever.
func TestCrewRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		resting := func(want int) {
			t.Helper()
			synctest.Wait()
			if len(c.resting) != want || c.all != 0 {
				t.Fatalf("%d goroutines rest and %d run, want %d and 0", len(c.resting), c.all, want)
			}
		}
		for range 3 {
			c.start(func() {})
			resting(1)
		}
		var running atomic.Int32
		gate := make(chan struct{})
		for range 3 * maxResting {
			c.start(func() {
				running.Add(1)
				<-gate
			})
		}
		synctest.Wait()
		if n := running.Load(); n != 3*maxResting {
			t.Fatalf("%d run at once, want %d", n, 3*maxResting)
		}
		close(gate)
		resting(maxResting)
		c.dismiss()
		c.start(func() {}) // one of them has something to do
		resting(maxResting)
		c.dismiss()
		resting(1)
		c.close()
		if err := c.wait(t.Context()); err != nil || c.start(func() {}) {
			t.Errorf("after close: %v", err)
		}
	})
}

// What dismisses goroutines may come when the crew is closed already.
func TestCrewDismissAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew
		for range 3 {
			c.start(func() { time.Sleep(time.Second) })
		}
		time.Sleep(2 * time.Second)
		c.dismiss()
		c.close()
		c.dismiss()
		if err := c.wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
