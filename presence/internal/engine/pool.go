package engine

import (
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
)

const (
	// slowAfter is how long a turn may take, and up to twice that, before the next
	// one need not wait for it any more: the part of the store that it is at may have
	// stalled, and others have not.
	slowAfter = 10 * time.Millisecond
	// slowLimit bounds the slow turns of a pool, with a store of several servers that can
	// stall one by one. With any other store no turn counts as slow: when one stalls all
	// do, and more turns would only be more goroutines that wait.
	slowLimit = 1024
)

// fairPool runs functions on a bounded number of goroutines, the rest waits: so that ten
// thousand connections that end at once are not ten thousand goroutines at the store.
//
// Rooms take turns, each with its own queue, and with a sharded store a turn that is
// slow makes room for another one: rooms on a master that has stalled do not hold up
// those on others. Of a room that is slow only one turn runs at a time, until one was
// not slow.
type fairPool struct {
	limit       int                 // turns at once, slow ones apart; of one room too
	maxSlowJobs int                 // slow turns at most; 0: none is taken for slow
	start       func(f func()) bool // runs a goroutine; its owner waits for it; false when closed
	after       func(time.Duration, func()) clock.Timer

	mu       sync.Mutex
	rooms    map[string]*roomQueue
	runnable []*roomQueue      // rooms that may start a turn, in order
	turns    map[*job]struct{} // under way, slow ones apart
	slow     int               // turns that are slow
	watching bool              // it is to be looked which turns are slow
	closed   bool
	current  *batch
}

// roomQueue is what waits for a turn of one room.
type roomQueue struct {
	room    string
	queue   []func()
	running int
	listed  bool // among those that are ready
	stalled bool // its last turn was slow
}

// job is a function that runs.
type job struct {
	of         *roomQueue
	f          func()
	seenBefore bool // it was under way when that was looked at before
	slow       bool
}

// batch is the work that a pool was given since it was last asked to meet.
type batch struct {
	open int
	met  chan struct{} // closed when no work is left; nil while no caller waits
}

// submit has f run when its room has a turn for it.
func (p *fairPool) submit(room string, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	b := p.rooms[room]
	if b == nil {
		if p.rooms == nil {
			p.rooms, p.turns = make(map[string]*roomQueue), make(map[*job]struct{})
		}
		b = &roomQueue{room: room}
		p.rooms[room] = b
	}
	b.queue = append(b.queue, f)
	p.list(b)
	p.dispatch()
}

// list lets a room take its turn, if it may. The lock is held.
func (p *fairPool) list(b *roomQueue) {
	most := p.limit
	if b.stalled {
		most = 1
	}
	if !b.listed && len(b.queue) > 0 && b.running < most {
		b.listed = true
		p.runnable = append(p.runnable, b)
	}
}

// dispatch begins what turns there are. The lock is held.
func (p *fairPool) dispatch() {
	for !p.closed {
		t := p.take()
		if t == nil {
			break
		}
		if !p.start(func() { p.work(t) }) {
			p.close()
		}
	}
	if p.maxSlowJobs > 0 && len(p.runnable) > 0 && len(p.turns) > 0 && !p.watching {
		p.watching = true
		p.after(slowAfter, p.markSlow)
	}
}

// close forgets what waits: nothing runs any more. The lock is held.
func (p *fairPool) close() {
	p.closed, p.runnable, p.rooms = true, nil, nil
}

// take begins the next turn; nil if there is none. The lock is held.
func (p *fairPool) take() *job {
	if len(p.runnable) == 0 || len(p.turns) >= p.limit || p.maxSlowJobs > 0 && p.slow >= p.maxSlowJobs {
		return nil
	}
	b := p.runnable[0]
	p.runnable[0] = nil
	p.runnable = p.runnable[1:]
	b.listed = false
	t := &job{of: b, f: b.queue[0]}
	b.queue[0] = nil
	b.queue = b.queue[1:]
	b.running++
	p.turns[t] = struct{}{}
	p.list(b)
	return t
}

// work is one goroutine.
func (p *fairPool) work(t *job) {
	for t != nil {
		t.f()
		p.mu.Lock()
		p.end(t)
		t = p.take()
		p.dispatch()
		p.mu.Unlock()
	}
}

// end is what follows a turn. The lock is held.
func (p *fairPool) end(t *job) {
	b := t.of
	b.running--
	if b.stalled = t.slow; t.slow {
		p.slow--
	} else {
		delete(p.turns, t)
	}
	if p.closed {
		return
	}
	if p.list(b); b.running == 0 && len(b.queue) == 0 {
		delete(p.rooms, b.room)
	}
}

// markSlow takes the turns that were under way the time before for slow ones.
func (p *fairPool) markSlow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watching = false
	for t := range p.turns {
		if t.seenBefore {
			delete(p.turns, t)
			t.slow, t.of.stalled = true, true
			p.slow++
		}
		t.seenBefore = true
	}
	p.dispatch()
}

// addWork counts work, for callers of meet; done ends it.
func (p *fairPool) addWork() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		p.current = new(batch)
	}
	p.current.open++
	return p.current
}

func (p *fairPool) workDone(c *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.open--; c.open == 0 && c.met != nil {
		close(c.met)
	}
}

// barrier returns a channel that is closed when all work is done that was counted in
// since the last call.
func (p *fairPool) barrier() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.current
	p.current = nil
	if c == nil || c.open == 0 {
		c = &batch{met: make(chan struct{})}
		close(c.met)
		return c.met
	}
	c.met = make(chan struct{})
	return c.met
}
