package node

import (
	"testing"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store/storetest"
)

// The store has a member of an owner that nobody declares dead, since it has no life sign
// of it. It is reaped when the node has seen that for the lease and steadyExtra; one of an
// owner that lives is not.
func TestAnOrphanIsReaped(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.shown.Store(true)
		p, other := w.all[0], w.all[1]
		other.draining.Store(true) // leaves the sweep to the first one
		w.put("nobody", "r1")
		w.put(other.ID(), "r2")
		time.Sleep(testLease + steadyExtra - time.Second)
		if p.times("r1") > 0 {
			t.Error("reaped too early")
		}
		time.Sleep(2*sweepInterval + time.Second)
		if p.times("r1") != 1 || w.left("nobody") > 0 {
			t.Errorf("the orphan was reaped %d times", p.times("r1"))
		}
		if p.times("r2") > 0 {
			t.Error("the member of an owner that lives was reaped")
		}
	})
}

// A member stands as the node's own, and the node does not know it: it has nobody to look
// after it, though its owner is alive.
func TestAMemberOfItsOwnThatANodeDoesNotKnow(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.shown.Store(true)
		p := w.all[0]
		p.joins("r")
		time.Sleep(testLease + steadyExtra + 2*sweepInterval)
		if p.times("r") > 0 {
			t.Error("a member that the node knows was reaped")
		}
		w.unknown.Store(true)
		time.Sleep(testLease + steadyExtra + 2*sweepInterval)
		if p.times("r") != 1 {
			t.Errorf("reaped %d times", p.times("r"))
		}
	})
}

// An owner is away for a while, twice. That is not the same as all the time.
func TestAnOwnerThatComesBackIsNoOrphan(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.shown.Store(true)
		p := w.all[0]
		w.put("other", "r")
		for range 10 {
			time.Sleep(sweepInterval + sweepInterval/2)
			p.Store.Beat(w.ctx, store.BeatRequest{Node: "other", LeaseMs: testLease.Milliseconds()})
			time.Sleep(sweepInterval)
			if err := p.Store.Retire(w.ctx, "other"); err != nil {
				t.Fatal(err)
			}
		}
		if p.times("r") > 0 {
			t.Error("reaped")
		}
	})
}

// A node that stood still, or had no answer from the store, has not watched anybody: it
// begins again when it is trusted.
func TestABrokenWatchBeginsAgain(t *testing.T) {
	for name, breaks := range map[string]func(p *peer){
		"it stood still as it looked at the owners": func(p *peer) {
			p.link.SetPlan(storetest.Plan{Call: func(c storetest.Call) (f storetest.Fault) {
				if c.Method == "NodeStates" {
					p.link.Freeze()
				}
				return f
			}})
			time.Sleep(20 * time.Second)
			p.link.SetPlan(storetest.Plan{})
			p.link.Thaw()
		},
		"it stood still": func(p *peer) {
			p.link.Freeze()
			time.Sleep(20 * time.Second)
			p.link.Thaw()
		},
		"no life sign had an answer": func(p *peer) {
			p.link.SetPlan(failAlways("Beat"))
			time.Sleep(3 * time.Second)
			p.link.SetPlan(failAlways(""))
		},
		"the states had no answer": func(p *peer) {
			p.link.SetPlan(failAlways("NodeStates"))
			time.Sleep(sweepInterval)
			p.link.SetPlan(failAlways(""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.shown.Store(true)
				p := w.all[0]
				w.put("nobody", "r")
				time.Sleep(testLease + steadyExtra - time.Second)
				breaks(p)
				time.Sleep(testLease + steadyExtra - time.Second)
				if p.times("r") > 0 {
					t.Error("reaped by a watch that was broken")
				}
				time.Sleep(testLease + steadyExtra + 2*sweepInterval)
				if p.times("r") != 1 {
					t.Errorf("reaped %d times when it had watched for long enough", p.times("r"))
				}
			})
		})
	}
}

// An orphan sweep does not begin while the node drains, and a drain waits for one under way.
func TestADrainWaitsForTheSweep(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.shown.Store(true)
		p := w.all[0]
		slow := make(chan struct{})
		p.failing(func(string) error {
			<-slow
			return nil
		})
		w.put("nobody", "r1")
		time.Sleep(testLease + steadyExtra + 2*sweepInterval)
		w.put("somebody", "r2")
		p.draining.Store(true)
		calls := p.count()
		idle := make(chan error, 1)
		go func() { idle <- p.WaitIdle(w.ctx) }()
		time.Sleep(time.Second)
		select {
		case <-idle:
			t.Error("it did not wait")
		default:
		}
		close(slow)
		if err := <-idle; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if n := calls("NodeStates"); p.times("r1") != 1 || p.times("r2") > 0 || n > 0 {
			t.Errorf("reaped %d and %d times, with %d looks at the owners", p.times("r1"), p.times("r2"), n)
		}
	})
}
