// Package workers runs functions on goroutines that their owner can wait for. A
// goroutine whose function has returned stays idle for some seconds and runs the next
// one: a new goroutine has a small stack, and growing that costs more than what most
// functions do.
package workers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// maxIdle bounds the idle goroutines of a pool.
	maxIdle = 64
	// idleTime is how long a goroutine stays idle at least; at most twice that.
	idleTime = 5 * time.Second
)

// Pool is the goroutines of one owner. Each function runs at once: their number is not
// bounded. Functions of the application are counted apart, since nobody knows when they
// return. The zero value is ready for use, and all methods are safe for concurrent use.
// Close must be called in the end.
type Pool struct {
	mu      sync.Mutex
	change  *sync.Cond // signals that busy or outside changed; nil until the first Wait
	closed  bool
	busy    int           // goroutines that are not idle, and held places
	outside int           // goroutines in functions of the application
	idle    []chan func() // one per idle goroutine, which takes a function, or nil to end; used from the end
	unused  int           // how many of them, from the start, were idle since the last trim
	timer   *time.Timer   // for the next trim; nil until a goroutine was idle
	trims   bool          // the timer runs
}

// Go runs f on a goroutine of the pool, even after Close: for work that must not be
// lost, and for the rest of work that holds a place. It does not block.
func (p *Pool) Go(f func()) {
	p.mu.Lock()
	p.start(f)
}

// TryGo is Go for new work: it reports false, and runs nothing, when the pool is
// closed.
func (p *Pool) TryGo(f func()) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	p.start(f)
	return true
}

// start runs f. The lock is held; start releases it.
func (p *Pool) start(f func()) {
	p.busy++
	last := len(p.idle) - 1
	if last < 0 {
		p.mu.Unlock()
		go p.work(f)
		return
	}
	next := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	p.unused = min(p.unused, last)
	p.mu.Unlock()
	next <- f // it has room
}

// TryHold keeps a place for work that goes on without a goroutine: Wait waits for
// its Release. It reports false when the pool is closed.
func (p *Pool) TryHold() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.busy++
	return true
}

// Release gives back a place that TryHold kept.
func (p *Pool) Release() { p.count(&p.busy, -1) }

// EnterApplication says that the goroutine that calls, one of the pool, goes into a
// function of the application. LeaveApplication says that it came back.
func (p *Pool) EnterApplication() { p.count(&p.outside, 1) }

// LeaveApplication ends what EnterApplication began.
func (p *Pool) LeaveApplication() { p.count(&p.outside, -1) }

func (p *Pool) count(n *int, by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*n += by
	p.changed()
}

// changed wakes Wait. The lock is held.
func (p *Pool) changed() {
	if p.change != nil {
		p.change.Broadcast()
	}
}

// work is one goroutine.
func (p *Pool) work(f func()) {
	defer p.Release()
	next := make(chan func(), 1)
	for f != nil {
		f()
		if !p.stayIdle(next) {
			return
		}
		f = <-next
	}
}

// stayIdle offers the calling goroutine for the next function, which comes on next. It
// reports false if the goroutine has to end: the pool is closed, or enough are idle.
func (p *Pool) stayIdle(next chan func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle {
		return false
	}
	p.idle = append(p.idle, next)
	p.busy--
	p.changed()
	if !p.trims {
		p.trims = true
		if p.timer == nil {
			p.timer = time.AfterFunc(idleTime, p.trim)
		} else {
			p.timer.Reset(idleTime)
		}
	}
	return true
}

// trim ends the goroutines that were idle since it last ran. The timer calls it again
// while any are left.
func (p *Pool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(p.unused)
	p.unused = len(p.idle)
	if p.trims = p.unused > 0; p.trims {
		p.timer.Reset(idleTime)
	}
}

// end ends the n goroutines that have been idle for longest. The lock is held.
func (p *Pool) end(n int) {
	for _, next := range p.idle[:n] {
		next <- nil // it has room
	}
	p.busy += n
	p.idle = slices.Delete(p.idle, 0, n)
	p.unused = max(0, p.unused-n)
}

// Close makes TryGo and TryHold refuse, and ends the idle goroutines. It does not wait
// for the others: see Wait.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.end(len(p.idle))
	if p.timer != nil {
		p.timer.Stop()
	}
}

// Wait blocks until no goroutine is busy and no place is held. When ctx ends first, it
// waits up to grace longer, but only for goroutines that are not in functions of the
// application. If any still run then, it returns an error that wraps that of ctx.
func (p *Pool) Wait(ctx context.Context, grace time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.change == nil {
		p.change = sync.NewCond(&p.mu)
	}
	p.waitFor(ctx, func() bool { return p.busy == 0 })
	if p.busy > 0 && grace > 0 {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		p.waitFor(late, func() bool { return p.busy <= p.outside })
	}
	switch {
	case p.busy == 0:
		return nil
	case p.outside > 0:
		return fmt.Errorf("%d goroutines still run, %d of them in functions of the application: %w", p.busy, p.outside, ctx.Err())
	}
	return fmt.Errorf("%d goroutines still run: %w", p.busy, ctx.Err())
}

// waitFor blocks until done is true or ctx ends. The lock is held.
func (p *Pool) waitFor(ctx context.Context, done func() bool) {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed()
	})
	defer stop()
	for !done() && ctx.Err() == nil {
		p.change.Wait()
	}
}
