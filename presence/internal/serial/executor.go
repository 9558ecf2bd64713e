package serial

import (
	"context"
	"slices"
	"sync"
)

// Executor runs tasks one at a time in the order posted, on a goroutine that exists only
// while there are some. The zero value is ready, for tasks that are about no room. It must
// not be copied. Methods are safe for concurrent use unless they say otherwise, and none
// but ResolveInDoubt blocks.
//
// A task may post to its own executor. Methods that take start run the tasks on a
// goroutine that start begins. A start that does not run its function, as that of a closed
// node, ends the executor: no later task runs.
type Executor struct {
	room   string // "" if the tasks are about none
	onIdle func() // nil: not called

	mu    sync.Mutex
	queue []func()
	busy  bool

	// inDoubt are the steps that resolve the writes in doubt, in the order in which they
	// must run: such a write got no answer, and may have taken effect. Only tasks touch it,
	// or IfIdle.
	inDoubt []func(context.Context) error
}

// Init says which room the tasks are about, and what is called whenever the executor ran
// out of tasks; nil is nothing. onIdle runs on the goroutine of the last task, with no lock
// held: a new task may have begun by then. Init is called before any other method, and
// once.
func (x *Executor) Init(room string, onIdle func()) { x.room, x.onIdle = room, onIdle }

// Room is the room that the tasks are about.
func (x *Executor) Room() string { return x.room }

// Post queues a task behind all that wait. It reports false, and queues nothing, when limit
// tasks wait already; 0 is no limit. The task that runs is not counted.
func (x *Executor) Post(task func(), limit int, start func(func())) bool {
	x.mu.Lock()
	if limit > 0 && len(x.queue) >= limit {
		x.mu.Unlock()
		return false
	}
	x.queue = append(x.queue, task)
	x.startLocked(start)
	return true
}

// PostFront queues a task before all that wait.
func (x *Executor) PostFront(task func(), start func(func())) {
	x.mu.Lock()
	x.queue = slices.Insert(x.queue, 0, task)
	x.startLocked(start)
}

// startLocked starts the executor if it is idle, and unlocks it.
func (x *Executor) startLocked(start func(func())) {
	idle := !x.busy
	x.busy = true
	x.mu.Unlock()
	if idle {
		start(x.run)
	}
}

// TryAcquire makes an idle executor busy with a task that the caller carries out itself,
// and that may go on when the caller has returned: Release ends it. TryAcquire reports
// false when a task runs.
func (x *Executor) TryAcquire() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.busy {
		return false
	}
	x.busy = true
	return true
}

// Release ends the task that began with TryAcquire, and starts what was queued meanwhile.
// Any goroutine may call it, once for each TryAcquire that reported true.
func (x *Executor) Release(start func(func())) {
	x.mu.Lock()
	if len(x.queue) > 0 {
		x.mu.Unlock()
		start(x.run)
		return
	}
	x.queue, x.busy = nil, false
	x.mu.Unlock()
	if x.onIdle != nil {
		x.onIdle()
	}
}

// IfIdle calls f if no task runs or waits and no write is in doubt. No task begins before f
// returned. f must not block, and must not call methods of the executor.
func (x *Executor) IfIdle(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.busy && len(x.inDoubt) == 0 {
		f()
	}
}

func (x *Executor) run() {
	for task := x.next(); task != nil; task = x.next() {
		task()
	}
	if x.onIdle != nil {
		x.onIdle()
	}
}

// next takes the next task; nil makes the executor idle.
func (x *Executor) next() func() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 {
		x.queue, x.busy = nil, false
		return nil
	}
	task := x.queue[0]
	x.queue[0] = nil
	x.queue = x.queue[1:]
	return task
}

// HasInDoubt reports whether writes of the executor are in doubt. Only tasks may call it.
func (x *Executor) HasInDoubt() bool { return len(x.inDoubt) > 0 }

// ResolveInDoubt runs the steps that RetryQueue.Add has noted, in order. On an error that
// step and those behind it stay in doubt. A step may add others, which come last, and may
// move those behind it to another executor. ResolveInDoubt blocks as its steps do, which
// get ctx. Only tasks may call it.
func (x *Executor) ResolveInDoubt(ctx context.Context) error {
	for len(x.inDoubt) > 0 {
		step := x.inDoubt[0]
		x.inDoubt = x.inDoubt[1:]
		if err := step(ctx); err != nil {
			x.inDoubt = slices.Insert(x.inDoubt, 0, step)
			return err
		}
	}
	x.inDoubt = nil
	return nil
}
