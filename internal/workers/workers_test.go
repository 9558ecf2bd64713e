package workers

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A goroutine that is done runs the next function. Only some stay idle for that, and
// only for some time.
func TestGoroutinesStayIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		idle := func(want int) {
			t.Helper()
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.idle) != want || p.busy != 0 {
				t.Fatalf("%d goroutines are idle and %d run, want %d and 0", len(p.idle), p.busy, want)
			}
		}
		for range 3 {
			p.Go(func() {})
			idle(1)
		}
		var running atomic.Int32
		gate := make(chan struct{})
		for range 3 * maxIdle {
			p.Go(func() {
				running.Add(1)
				<-gate
			})
		}
		synctest.Wait()
		if n := running.Load(); n != 3*maxIdle {
			t.Fatalf("%d run at once, want %d", n, 3*maxIdle)
		}
		close(gate)
		idle(maxIdle)
		time.Sleep(idleTime + 1)
		p.Go(func() {}) // one of them has something to do
		idle(maxIdle)
		time.Sleep(idleTime)
		idle(1)
		time.Sleep(idleTime)
		idle(0)
		p.Go(func() {}) // and it begins again
		idle(1)
		time.Sleep(2*idleTime + 1)
		idle(0)
		p.Go(func() {})
		idle(1)
		p.Close()
		if err := p.Wait(t.Context(), 0); err != nil || p.TryGo(func() {}) || p.TryHold() {
			t.Errorf("after Close: %v", err)
		}
	})
}

// What must not be lost runs although the pool is closed, and is waited for.
func TestGoAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		if !p.TryHold() {
			t.Fatal("a pool that is open refuses a place")
		}
		p.Close()
		ran := false
		p.Go(func() {
			defer p.Release()
			time.Sleep(time.Second)
			ran = true
		})
		if err := p.Wait(t.Context(), 0); err != nil || !ran {
			t.Errorf("Wait returned %v, the function ran: %v", err, ran)
		}
	})
}

// Wait ends with its context. With a grace it waits longer for the goroutines that are
// not in functions of the application.
func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		enough := make(chan struct{})
		p.Go(func() {
			p.EnterApplication()
			defer p.LeaveApplication()
			<-enough
		})
		p.Go(func() { time.Sleep(1500 * time.Millisecond) })
		for _, c := range []struct{ grace, want time.Duration }{
			{0, time.Second},
			{time.Second, 500 * time.Millisecond}, // then only the application's is left
		} {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Second))
			if c.grace > 0 {
				cancel() // ended already
			}
			begin := time.Now()
			err := p.Wait(ctx, c.grace)
			if d := time.Since(begin); d != c.want || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
				t.Errorf("with a grace of %v Wait took %v and returned %v, want %v", c.grace, d, err, c.want)
			}
			cancel()
		}
		close(enough)
		if err := p.Wait(t.Context(), 0); err != nil {
			t.Error(err)
		}
		p.Close()
	})
}

func BenchmarkGo(b *testing.B) {
	var p Pool
	done := make(chan struct{})
	f := func() { done <- struct{}{} }
	b.Run("pool", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Go(f)
			<-done
		}
	})
	b.Run("goroutine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			go f()
			<-done
		}
	})
	p.Close()
}
