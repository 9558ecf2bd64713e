package presence

import (
	"sync"
	"time"
)

const (
	// slowTurn is how long a turn may take, and up to twice that, before the next
	// one need not wait for it any more: the part of the store that it is at may have
	// stalled, and others have not.
	slowTurn = 10 * time.Millisecond
	// maxSlow bounds the turns of a pool that are slow, with a store whose parts stall
	// one by one. With any other there are none: when one turn stalls all do, and more
	// of them would only be more goroutines that wait.
	maxSlow = 1024
)

// pool runs functions on a bounded number of goroutines, the rest waits: so that ten
// thousand connections that end at once are not ten thousand goroutines at the store.
//
// Rooms take turns, each with its own queue, and with a sharded store a turn that is
// slow makes room for another one: rooms on a master that has stalled do not hold up
// those on others. Of a room that is slow only one turn runs at a time, until one was
// not slow.
type pool struct {
	limit int                 // turns at once, slow ones apart; of one room too
	spare int                 // slow turns at most; 0: none is taken for slow
	start func(f func()) bool // runs a goroutine; its owner waits for it; false when closed
	after func(time.Duration, func()) timer

	mu       sync.Mutex
	rooms    map[string]*backlog
	ready    []*backlog         // those whose turn it is, in order
	turns    map[*turn]struct{} // under way, slow ones apart
	slow     int                // turns that are slow
	watching bool               // it is to be looked which turns are slow
	closed   bool
	current  *cohort
}

// backlog is what waits for a turn of one room.
type backlog struct {
	room    string
	queue   []func()
	running int
	listed  bool // among those that are ready
	stalled bool // its last turn was slow
}

// turn is a function that runs.
type turn struct {
	of   *backlog
	f    func()
	aged bool // it was under way when that was looked at before
	slow bool
}

// cohort is the work that a pool was given since it was last asked to meet.
type cohort struct {
	open int
	met  chan struct{} // closed when there is none left; nil: nobody asked
}

// run has f run when its room has a turn for it.
func (p *pool) run(room string, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	b := p.rooms[room]
	if b == nil {
		if p.rooms == nil {
			p.rooms, p.turns = make(map[string]*backlog), make(map[*turn]struct{})
		}
		b = &backlog{room: room}
		p.rooms[room] = b
	}
	b.queue = append(b.queue, f)
	p.list(b)
	p.dispatch()
}

// list lets a room take its turn, if it may. The lock is held.
func (p *pool) list(b *backlog) {
	most := p.limit
	if b.stalled {
		most = 1
	}
	if !b.listed && len(b.queue) > 0 && b.running < most {
		b.listed = true
		p.ready = append(p.ready, b)
	}
}

// dispatch begins what turns there are. The lock is held.
func (p *pool) dispatch() {
	for !p.closed {
		t := p.take()
		if t == nil {
			break
		}
		if !p.start(func() { p.work(t) }) {
			p.close()
		}
	}
	if p.spare > 0 && len(p.ready) > 0 && len(p.turns) > 0 && !p.watching {
		p.watching = true
		p.after(slowTurn, p.watch)
	}
}

// close forgets what waits: nothing runs any more. The lock is held.
func (p *pool) close() {
	p.closed, p.ready, p.rooms = true, nil, nil
}

// take begins the next turn; nil if there is none. The lock is held.
func (p *pool) take() *turn {
	if len(p.ready) == 0 || len(p.turns) >= p.limit || p.spare > 0 && p.slow >= p.spare {
		return nil
	}
	b := p.ready[0]
	p.ready[0] = nil
	p.ready = p.ready[1:]
	b.listed = false
	t := &turn{of: b, f: b.queue[0]}
	b.queue[0] = nil
	b.queue = b.queue[1:]
	b.running++
	p.turns[t] = struct{}{}
	p.list(b)
	return t
}

// work is one goroutine.
func (p *pool) work(t *turn) {
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
func (p *pool) end(t *turn) {
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

// watch takes the turns that were under way the time before for slow ones.
func (p *pool) watch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watching = false
	for t := range p.turns {
		if t.aged {
			delete(p.turns, t)
			t.slow, t.of.stalled = true, true
			p.slow++
		}
		t.aged = true
	}
	p.dispatch()
}

// begin counts work in for those who wait for what came before; done ends it.
func (p *pool) begin() *cohort {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		p.current = new(cohort)
	}
	p.current.open++
	return p.current
}

func (p *pool) done(c *cohort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.open--; c.open == 0 && c.met != nil {
		close(c.met)
	}
}

// meet returns a channel that is closed when all work is done that was counted in
// since the last call.
func (p *pool) meet() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.current
	p.current = nil
	if c == nil || c.open == 0 {
		c = &cohort{met: make(chan struct{})}
		close(c.met)
		return c.met
	}
	c.met = make(chan struct{})
	return c.met
}
