package largenode

import (
	"sync"
	"sync/atomic"
	"time"
)

// Lateness is how late something was, at most. It is safe for concurrent use.
type Lateness struct{ most atomic.Int64 }

// Note counts one case.
func (l *Lateness) Note(d time.Duration) {
	for {
		most := l.most.Load()
		if int64(d) <= most || l.most.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// Take returns the most since the last call.
func (l *Lateness) Take() time.Duration { return time.Duration(l.most.Swap(0)) }

// controlStep is how often the control loop turns.
const controlStep = time.Millisecond

// controlLoop is a loop that has nothing to do: its lateness is that of the runtime and the machine.
type controlLoop struct {
	late Lateness
	stop chan struct{}
	done sync.WaitGroup
}

func startControlLoop() *controlLoop {
	c := &controlLoop{stop: make(chan struct{})}
	c.done.Go(func() {
		ticker := time.NewTicker(controlStep)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-c.stop:
				return
			}
			now := time.Now()
			c.late.Note(now.Sub(last) - controlStep)
			last = now
		}
	})
	return c
}

func (c *controlLoop) close() {
	close(c.stop)
	c.done.Wait()
}
