package serial

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
)

func goTry(f func()) bool { go f(); return true }

// gauge counts the functions that run, by their rooms.
type gauge struct {
	mu      sync.Mutex
	running map[string]int
	order   []string
}

// stay is a function of a room that runs until hold is closed.
func (g *gauge) stay(room string, hold <-chan struct{}) func() {
	return func() {
		g.add(room, 1)
		<-hold
		g.add(room, -1)
	}
}

func (g *gauge) add(room string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running == nil {
		g.running = make(map[string]int)
	}
	if g.running[room] += n; n > 0 {
		g.order = append(g.order, room)
	}
}

func (g *gauge) now(room string) int {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running[room]
}

// Rooms take turns: one with little to do does not wait for all that another one has.
func TestPoolIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewFairPool(1, 0, goTry, clock.System{})
		var g gauge
		hold := make(chan struct{})
		for range 5 {
			p.Submit("busy", g.stay("busy", hold))
		}
		p.Submit("quiet", g.stay("quiet", hold))
		if g.now("busy") != 1 || g.now("quiet") != 0 {
			t.Errorf("%v run in a pool of one", g.running)
		}
		time.Sleep(time.Minute) // no turn is slow in this pool
		if g.now("busy") != 1 || g.now("quiet") != 0 {
			t.Errorf("%v run in a pool of one", g.running)
		}
		close(hold)
		synctest.Wait()
		var ran trace = g.order[:3]
		ran.want(t, "busy", "quiet", "busy")
		if len(g.order) != 6 || len(p.rooms) != 0 || len(p.turns) != 0 {
			t.Errorf("ran %q; %d rooms and %d turns are left", g.order, len(p.rooms), len(p.turns))
		}
	})
}

// Turns that are slow make room for others, but for one of their own room only, and up to
// a bound.
func TestPoolSlowTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, maxSlow = 2, 3
		p := NewFairPool(limit, maxSlow, goTry, clock.System{})
		var g gauge
		stalled, others := make(chan struct{}), make(chan struct{})
		first := make(chan struct{})
		p.Submit("stalled", g.stay("stalled", first))
		for range 9 {
			p.Submit("stalled", g.stay("stalled", stalled))
		}
		p.Submit("other", g.stay("other", others))
		p.Submit("other", g.stay("other", others))
		if g.now("stalled") != limit || g.now("other") != 0 {
			t.Errorf("at first: %v", g.running)
		}
		time.Sleep(2 * slowAfter)
		if g.now("stalled") != limit || g.now("other") != 2 {
			t.Errorf("when the turns are slow: %v", g.running)
		}
		close(others)
		close(first)
		time.Sleep(2 * slowAfter)
		if g.now("stalled") != 1 {
			t.Errorf("of a room whose last turn was slow: %v", g.running)
		}
		for _, room := range []string{"a", "b", "c"} {
			p.Submit(room, g.stay(room, stalled))
		}
		time.Sleep(10 * slowAfter)
		if n := g.now("a") + g.now("b") + g.now("c"); n != 2 { // they and that of the stalled room are maxSlow
			t.Errorf("beside slow turns: %v", g.running)
		}
		close(stalled)
		synctest.Wait()
		if len(g.order) != 15 || p.slow != 0 || len(p.rooms) != 0 || len(p.turns) != 0 {
			t.Errorf("ran %q; %d slow turns, %d rooms and %d turns are left", g.order, p.slow, len(p.rooms), len(p.turns))
		}
	})
}

// A task of an executor that is busy costs no turn. It runs there.
func TestPoolSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewFairPool(1, 0, goTry, clock.System{})
		var x, idle Executor
		x.Init("busy", nil)
		idle.Init("idle", nil)
		var ran, other trace
		hold := make(chan struct{})
		x.Post(func() { <-hold }, 0, goStart)
		synctest.Wait()
		begun := time.Now()
		p.Schedule(&x, func(posted time.Time) {
			ran.note("busy")()
			if !posted.Equal(begun) {
				t.Errorf("posted at %v, want %v", posted, begun)
			}
		})
		p.Schedule(&idle, func(time.Time) { other.note("idle")() })
		synctest.Wait()
		other.want(t, "idle")
		time.Sleep(time.Second)
		ran.want(t)
		close(hold)
		synctest.Wait()
		ran.want(t, "busy")
	})
}

func TestPoolBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewFairPool(1, 0, goTry, clock.System{})
		met := func(c <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		if !met(p.Barrier()) {
			t.Error("an unused pool is waited for")
		}
		var x, y Executor
		x.Init("x", nil)
		y.Init("y", nil)
		first, busy, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
		y.Post(func() { <-busy }, 0, goStart)
		p.Schedule(&x, func(time.Time) { <-first })
		p.Schedule(&y, func(time.Time) {}) // waits in its executor, in no turn
		before := p.Barrier()
		p.Schedule(&x, func(time.Time) { <-second })
		after := p.Barrier()
		close(first)
		if met(before) {
			t.Error("a task that waits in its executor was not waited for")
		}
		close(busy)
		if !met(before) || met(after) {
			t.Error("want the first tasks to have ended, and the last one not")
		}
		close(second)
		if !met(after) || !met(p.Barrier()) {
			t.Error("not met when all tasks have ended")
		}
	})
}

// A pool whose owner is closed runs nothing any more, and keeps nothing.
func TestPoolCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		p := NewFairPool(1, 0, func(f func()) bool {
			if !closed {
				go f()
			}
			return !closed
		}, clock.System{})
		var ran trace
		hold := make(chan struct{})
		p.Submit("a", func() { <-hold })
		synctest.Wait()
		closed = true
		close(hold)
		synctest.Wait()
		p.Submit("b", ran.note("b"))
		p.Submit("c", ran.note("c"))
		synctest.Wait()
		ran.want(t)
		if !p.closed || len(p.rooms) != 0 || len(p.runnable) != 0 {
			t.Errorf("closed: %t; %d rooms are kept", p.closed, len(p.rooms))
		}
	})
}
