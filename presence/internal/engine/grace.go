package engine

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/serial"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// disconnect is how a member came to be without a socket. Times are Unix ms of the
// store's clock.
type disconnect struct {
	reason    store.Reason
	atMs      int64
	untilMs   int64 // when its grace ends
	shownAway bool  // it is shown away already
}

// disconnectNow is a loss of the socket at this moment, with a grace of so many ms.
func (m *ownedMember) disconnectNow(reason store.Reason, graceMs int64) disconnect {
	return m.disconnectAt(m.room.all.storeNow(), reason, graceMs)
}

// disconnectAt is one at a time of the store's clock.
func (m *ownedMember) disconnectAt(ms int64, reason store.Reason, graceMs int64) disconnect {
	return disconnect{reason: reason, atMs: ms, untilMs: ms + graceMs, shownAway: m.away.Load()}
}

// grace keeps a member that lost its socket until it is resumed or its time is
// over.
type grace struct {
	executor serial.Executor
	disconnect
	m     *ownedMember
	timer clock.Timer
	ended bool // guarded by room.mu
}

// inGrace is the record of the member while a grace runs.
func (m *ownedMember) inGrace(x disconnect) store.Member {
	next := m.record()
	next.Write++
	next.Away, next.UntilMs, next.Lost = x.shownAway, x.untilMs, x.reason
	return next
}

// storeGrace is the step that stores a grace without telling anybody; it may
// be repeated.
func (m *ownedMember) storeGrace(x disconnect) func(context.Context) error {
	return m.retryableWrite(func() store.Put { return store.Put{Member: m.inGrace(x), Quiet: true} })
}

// retryableWrite is a step that writes a member in place, again and again until the
// store answers. An operation of the executor. A write that took effect without an answer is
// made again with the same number, unless another one has counted since.
func (m *ownedMember) retryableWrite(make func() store.Put) func(context.Context) error {
	return func(ctx context.Context) error {
		put := make()
		put.Intent, put.Fence = store.IntentUpdate, put.Member.Epoch
		res, err := m.room.put(ctx, &put)
		if err == nil {
			m.applied(res.Outcome, &put.Member)
		}
		return err
	}
}

// beginGrace starts the grace of a member that lost its socket. It is the last thing that
// an operation of the session's executor does with the member; the in-doubt writes of the executor
// move to the grace. If the member was removed or taken over meanwhile, there is no grace,
// and its index entries are cleaned up.
func (m *ownedMember) beginGrace(l *serial.Executor, x disconnect) {
	e, r := m.room.all, m.room
	g := &grace{m: m, disconnect: x}
	g.executor.Init(r.id, g.release)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owned[m.connID] != m {
		e.markInDoubt(l, m.eraseConn)
		return
	}
	r.retain()
	e.retries.Move(l, &g.executor)
	m.grace = g
	m.checks.drop()
	r.postCheck(m) // that was due since it had a socket
	// One that was shown away for its silence has no stored grace yet. One that would be
	// away for less than the time before that is not shown so: a closed tab does not blink.
	wait := e.AwayAfter.Milliseconds()
	if awayMs := x.atMs + wait; (!x.shownAway || m.away.Load()) && awayMs+wait <= x.untilMs {
		g.schedule(awayMs, g.showAway)
	} else {
		g.schedule(x.untilMs, g.end)
	}
}

// schedule runs an operation of the grace at a time of the store's clock. The room's
// lock is held.
func (g *grace) schedule(atMs int64, op func()) {
	e := g.m.room.all
	wait := time.Duration(atMs-e.storeNow()) * time.Millisecond
	g.timer = e.clock.AfterFunc(max(wait, 0), func() { g.post(op) })
}

func (g *grace) post(op func()) { g.m.room.all.schedule(&g.executor, op) }

// showAway stores the grace, and shows the member away unless that was done already.
func (g *grace) showAway() {
	m := g.m
	e, r := m.room.all, m.room
	r.mu.Lock()
	over := g.ended
	if !over {
		g.schedule(g.untilMs, g.end)
	}
	r.mu.Unlock()
	if over {
		return
	}
	ctx, cancel := e.storeContext()
	defer cancel()
	x := g.disconnect
	x.shownAway = true
	told := g.shownAway
	write := m.retryableWrite(func() store.Put { return store.Put{Member: m.inGrace(x), Quiet: told} })
	step := func(ctx context.Context) error {
		if err := write(ctx); err != nil {
			return err
		}
		g.shownAway = true
		return nil
	}
	if g.executor.ResolveInDoubt(ctx) != nil || step(ctx) != nil {
		e.markInDoubt(&g.executor, step)
	}
}

// end removes the member when it was not resumed in time.
func (g *grace) end() {
	r := g.m.room
	if g.isOver() {
		return
	}
	e := r.all
	ctx, cancel := e.storeContext()
	defer cancel()
	_ = g.m.depart(ctx, &g.executor, g.reason) // remembered if it failed
}

func (g *grace) isOver() bool {
	r := g.m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return g.ended
}

// stop ends the grace early: the member was resumed or removed, or this was
// its end. The room's lock is held.
func (g *grace) stop() {
	if g.ended {
		return
	}
	g.ended = true
	g.timer.Stop()
	g.post(func() {}) // its idle hook gives the room back
}

// release gives the room back once the grace is over and nothing is in doubt.
func (g *grace) release() {
	r := g.m.room
	r.mu.Lock()
	done := false
	g.executor.IfIdle(func() {
		if done = g.ended && g.timer != nil; done {
			g.timer = nil // once
		}
	})
	r.mu.Unlock()
	if done {
		r.release()
	}
}

// letGoPart is what a node that stops has done for the member, in which executor; none for a
// member that has neither a socket nor a grace.
func (m *ownedMember) letGoPart() (l *serial.Executor, part func(context.Context) (left bool)) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	switch {
	case m.session != nil: // of a socket that has just closed
		return m.session.Executor(), m.session.LeaveOrHandOff
	case m.grace != nil:
		return &m.grace.executor, m.grace.handOff
	}
	return nil, nil
}

func (g *grace) handOff(ctx context.Context) (left bool) {
	if g.isOver() {
		return false
	}
	g.m.handOff(ctx, &g.executor, g.disconnect)
	return true
}

// handOff stores the grace of a member and forgets it: any node can resume
// it. If the store does not answer, the grace begins when this node is found dead.
func (m *ownedMember) handOff(ctx context.Context, l *serial.Executor, x disconnect) {
	err := l.ResolveInDoubt(ctx)
	if err == nil {
		err = m.storeGrace(x)(ctx)
	}
	if err != nil {
		m.room.all.throttled.Warn("member not handed over; its grace begins when other servers find this one dead", "room", m.room.id, "connId", m.connID, "error", err)
	}
	m.letGo()
}

// retain takes another reference to a room that is referred to already.
func (r *room) retain() {
	r.eng.mu.Lock()
	r.refs++
	r.eng.mu.Unlock()
}
