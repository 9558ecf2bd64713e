package serial

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
)

// slowAfter is how often turns are looked at while others wait. One that is under way at two
// looks is slow, after 10 to 20 ms: the part of the store that it waits for may have stalled,
// while others have not. The next turn does not wait for it any more.
const slowAfter = 10 * time.Millisecond

// FairPool runs functions on a bounded number of goroutines, the rest waits: so that ten
// thousand connections that end at once are not ten thousand goroutines at the store.
//
// Rooms take turns, each with its own queue. If the pool may have slow turns, a turn that
// is slow makes room for another one: rooms on a master of the store that has stalled do
// not hold up those on others. Of a room that is slow only one turn runs at a time, until
// one was not slow.
//
// Methods are safe for concurrent use, and none of them blocks.
type FairPool struct {
	limit   int                 // turns at once, slow ones apart; of one room too
	maxSlow int                 // slow turns at most; 0: none counts as slow
	start   func(f func()) bool // runs a goroutine; false: the pool's owner is closed
	clock   clock.Clock

	mu       sync.Mutex
	rooms    map[string]*roomQueue
	runnable []*roomQueue      // rooms that may start a turn, in order
	turns    map[*job]struct{} // under way, slow ones apart
	slow     int               // turns that are slow
	watching bool              // markSlow will be called
	closed   bool
	current  *batch // nil: nothing was scheduled since the last Barrier
}

// roomQueue is what waits for a turn of one room.
type roomQueue struct {
	room    string
	queue   []func()
	running int
	listed  bool // in FairPool.runnable
	stalled bool // its last turn was slow
}

// job is a function that runs.
type job struct {
	of         *roomQueue
	f          func()
	seenBefore bool // the last markSlow saw it, too
	slow       bool
}

// batch is what was scheduled between two calls of Barrier.
type batch struct {
	open int
	met  chan struct{} // closed when all of it has ended; nil while nobody waits
}

// NewFairPool returns a pool that runs limit turns at once, and up to maxSlow more that
// are slow; with 0 no turn counts as slow. start runs a function on a goroutine that the
// owner of the pool waits for. When start reports false the pool is closed: what waits in
// it never runs. start is called with the lock of the pool held, and must not block.
func NewFairPool(limit, maxSlow int, start func(f func()) bool, c clock.Clock) *FairPool {
	return &FairPool{
		limit: limit, maxSlow: maxSlow, start: start, clock: c,
		rooms: make(map[string]*roomQueue), turns: make(map[*job]struct{}),
	}
}

// Submit has f run when its room has a turn for it. The turn ends when f returns.
func (p *FairPool) Submit(room string, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	q := p.rooms[room]
	if q == nil {
		q = &roomQueue{room: room}
		p.rooms[room] = q
	}
	q.queue = append(q.queue, f)
	p.list(q)
	p.dispatch()
}

// Schedule has task run in an executor when the executor's room has a turn for it. posted
// is when the turn began: a deadline that counts from then includes the time for which the
// task waits in the executor. An idle executor runs the task in the turn. No turn waits for
// one that is busy, maybe in code of the application: the task is then posted to it and
// runs outside of the pool. Barrier waits for the task in either case.
func (p *FairPool) Schedule(x *Executor, task func(posted time.Time)) {
	b := p.addWork()
	p.Submit(x.Room(), func() {
		posted := p.clock.Now()
		do := func() {
			defer p.workDone(b)
			task(posted)
		}
		if x.TryAcquire() {
			do()
			x.Release(p.startExecutor)
		} else {
			x.Post(do, 0, p.startExecutor)
		}
	})
}

// startExecutor is start for executors: those of a closed owner run nothing any more.
func (p *FairPool) startExecutor(f func()) { _ = p.start(f) }

// Barrier returns a channel that is closed when everything has ended that was scheduled
// since the last call of Barrier. It stays open if the pool is closed before that. What
// was given to Submit is not counted.
func (p *FairPool) Barrier() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.current
	p.current = nil
	if b == nil || b.open == 0 {
		b = &batch{met: make(chan struct{})}
		close(b.met)
		return b.met
	}
	b.met = make(chan struct{})
	return b.met
}

// list lets a room take its turn, if it may. The lock is held.
func (p *FairPool) list(q *roomQueue) {
	limit := p.limit
	if q.stalled {
		limit = 1
	}
	if !q.listed && len(q.queue) > 0 && q.running < limit {
		q.listed = true
		p.runnable = append(p.runnable, q)
	}
}

// dispatch begins what turns there are. The lock is held.
func (p *FairPool) dispatch() {
	for !p.closed {
		j := p.take()
		if j == nil {
			break
		}
		if !p.start(func() { p.work(j) }) {
			p.close()
		}
	}
	if p.maxSlow > 0 && len(p.runnable) > 0 && len(p.turns) > 0 && !p.watching {
		p.watching = true
		p.clock.AfterFunc(slowAfter, p.markSlow)
	}
}

// close forgets what waits: nothing runs any more. The lock is held.
func (p *FairPool) close() {
	p.closed, p.runnable, p.rooms = true, nil, nil
}

// take begins the next turn; nil if there is none. The lock is held.
func (p *FairPool) take() *job {
	if len(p.runnable) == 0 || len(p.turns) >= p.limit || p.maxSlow > 0 && p.slow >= p.maxSlow {
		return nil
	}
	q := p.runnable[0]
	p.runnable[0] = nil
	p.runnable = p.runnable[1:]
	q.listed = false
	j := &job{of: q, f: q.queue[0]}
	q.queue[0] = nil
	q.queue = q.queue[1:]
	q.running++
	p.turns[j] = struct{}{}
	p.list(q)
	return j
}

// work is one goroutine.
func (p *FairPool) work(j *job) {
	for j != nil {
		j.f()
		p.mu.Lock()
		p.end(j)
		j = p.take()
		p.dispatch()
		p.mu.Unlock()
	}
}

// end is what follows a turn. The lock is held.
func (p *FairPool) end(j *job) {
	q := j.of
	q.running--
	if q.stalled = j.slow; j.slow {
		p.slow--
	} else {
		delete(p.turns, j)
	}
	if p.closed {
		return
	}
	if p.list(q); q.running == 0 && len(q.queue) == 0 {
		delete(p.rooms, q.room)
	}
}

// markSlow marks the turns as slow that were under way at its last call, too.
func (p *FairPool) markSlow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watching = false
	for j := range p.turns {
		if j.seenBefore {
			delete(p.turns, j)
			j.slow, j.of.stalled = true, true
			p.slow++
		}
		j.seenBefore = true
	}
	p.dispatch()
}

// addWork counts a task for Barrier; workDone ends it.
func (p *FairPool) addWork() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		p.current = new(batch)
	}
	p.current.open++
	return p.current
}

func (p *FairPool) workDone(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.open--; b.open == 0 && b.met != nil {
		close(b.met)
	}
}
