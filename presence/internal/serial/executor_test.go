package serial

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

func goStart(f func()) { go f() }

// trace notes what ran, in tasks of one executor.
type trace []string

func (l *trace) note(what string) func() { return func() { *l = append(*l, what) } }

func (l *trace) step(what string, err error) func(context.Context) error {
	return func(context.Context) error {
		*l = append(*l, what)
		return err
	}
}

func (l *trace) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(*l, want) {
		t.Errorf("ran %q, want %q", *l, want)
	}
	*l = nil
}

func TestExecutorRunsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x Executor
		var ran trace
		idle := 0
		x.Init("r", func() { idle++ })
		running, hold := 0, make(chan struct{})
		task := func(what string) func() {
			return func() {
				if running++; running > 1 {
					t.Error("two tasks at once")
				}
				<-hold
				ran = append(ran, what)
				running--
			}
		}
		for _, what := range []string{"a", "b", "c"} {
			x.Post(task(what), 0, goStart)
			synctest.Wait()
		}
		x.PostFront(task("front"), goStart)
		synctest.Wait()
		if x.TryAcquire() {
			t.Error("a busy executor was acquired")
		}
		close(hold)
		synctest.Wait()
		ran.want(t, "a", "front", "b", "c")
		if idle != 1 {
			t.Errorf("idle %d times", idle)
		}
		x.Post(ran.note("d"), 0, goStart)
		synctest.Wait()
		ran.want(t, "d")
		if idle != 2 {
			t.Errorf("idle %d times", idle)
		}
	})
}

func TestExecutorRefusesBeyondLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x Executor
		var ran trace
		hold := make(chan struct{})
		x.Post(func() { <-hold }, 2, goStart)
		synctest.Wait()
		for _, what := range []string{"a", "b"} {
			if !x.Post(ran.note(what), 2, goStart) {
				t.Errorf("%s refused", what)
			}
		}
		if x.Post(ran.note("c"), 2, goStart) {
			t.Error("a third one was queued")
		}
		x.PostFront(ran.note("front"), goStart)
		x.Post(ran.note("unlimited"), 0, goStart)
		close(hold)
		synctest.Wait()
		ran.want(t, "front", "a", "b", "unlimited")
	})
}

// A task that was acquired is in line like any other one.
func TestExecutorAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x Executor
		var ran trace
		idle := 0
		x.Init("r", func() { idle++ })
		if !x.TryAcquire() {
			t.Fatal("an idle executor was not acquired")
		}
		x.Post(ran.note("behind"), 0, goStart)
		synctest.Wait()
		ran.want(t)
		x.IfIdle(func() { t.Error("idle while acquired") })
		x.Release(goStart)
		synctest.Wait()
		ran.want(t, "behind")
		if !x.TryAcquire() {
			t.Fatal("an idle executor was not acquired")
		}
		x.Release(func(func()) { t.Error("something was started for nothing") })
		if idle != 2 {
			t.Errorf("idle %d times", idle)
		}
		called := false
		x.IfIdle(func() { called = true })
		if !called {
			t.Error("not idle when released")
		}
	})
}

func TestInDoubtOrder(t *testing.T) {
	errNoAnswer := errors.New("no answer")
	r := NewRetryQueue(nil, nil, Bounds{})
	var x Executor
	var ran trace
	answer := errNoAnswer
	r.Add(&x, ran.step("a", nil))
	r.Add(&x, func(ctx context.Context) error { return ran.step("b", answer)(ctx) })
	r.Add(&x, ran.step("c", nil))
	if err := x.ResolveInDoubt(t.Context()); !errors.Is(err, errNoAnswer) {
		t.Errorf("error: %v", err)
	}
	ran.want(t, "a", "b")
	r.Add(&x, ran.step("d", nil))
	x.IfIdle(func() { t.Error("idle with writes in doubt") })
	answer = nil
	if err := x.ResolveInDoubt(t.Context()); err != nil || x.HasInDoubt() {
		t.Errorf("error: %v, still in doubt: %t", err, x.HasInDoubt())
	}
	ran.want(t, "b", "c", "d")
}

// A step may move those behind it to another executor, where they keep their order.
func TestMoveInDoubt(t *testing.T) {
	r := NewRetryQueue(nil, nil, Bounds{})
	var x, to Executor
	var ran trace
	r.Add(&to, ran.step("own", nil))
	r.Add(&x, func(context.Context) error {
		r.Move(&x, &to)
		return nil
	})
	r.Add(&x, ran.step("a", nil))
	r.Add(&x, ran.step("b", nil))
	if err := x.ResolveInDoubt(t.Context()); err != nil || x.HasInDoubt() {
		t.Errorf("error: %v, still in doubt: %t", err, x.HasInDoubt())
	}
	ran.want(t)
	if err := to.ResolveInDoubt(t.Context()); err != nil {
		t.Error(err)
	}
	ran.want(t, "own", "a", "b")
}
