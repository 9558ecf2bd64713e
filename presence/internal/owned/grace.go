package owned

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

// DisconnectNow is a loss of the socket at this moment, with a grace of so many ms.
func (m *Member) DisconnectNow(reason store.Reason, graceMs int64) disconnect {
	return m.DisconnectAt(m.Room.all.StoreNow(), reason, graceMs)
}

// DisconnectAt is one at a time of the store's clock.
func (m *Member) DisconnectAt(ms int64, reason store.Reason, graceMs int64) disconnect {
	return disconnect{reason: reason, atMs: ms, untilMs: ms + graceMs, shownAway: m.Away.Load()}
}

// grace keeps a member that lost its socket until it is resumed or its time is
// over.
type grace struct {
	executor serial.Executor
	disconnect
	m     *Member
	timer clock.Timer
	Ended bool // guarded by Room.Mu
}

// inGrace is the record of the member while a grace runs.
func (m *Member) inGrace(x disconnect) store.Member {
	next := m.Record()
	next.Write++
	next.Away, next.UntilMs, next.Lost = x.shownAway, x.untilMs, x.reason
	return next
}

// storeGrace is the step that stores a grace without telling anybody; it may
// be repeated.
func (m *Member) storeGrace(x disconnect) func(context.Context) error {
	return m.retryableWrite(func() store.Put { return store.Put{Member: m.inGrace(x), Quiet: true} })
}

// retryableWrite is a step that writes a member which stands; it may be repeated until the
// store answers. An operation of the executor. A write that took effect without an answer is
// made again with the same number, unless another one has counted since. If the member is not
// there, or is another node's, nothing is written, and the step is over: a check finds out why.
func (m *Member) retryableWrite(make func() store.Put) func(context.Context) error {
	return func(ctx context.Context) error {
		put := make()
		put.Intent, put.Fence = store.IntentUpdate, put.Member.Epoch
		res, err := m.Room.put(ctx, &put)
		if err == nil {
			m.Applied(res.Outcome, &put.Member)
		}
		return err
	}
}

// BeginGrace starts the grace of a member that lost its socket. It is the last thing that
// an operation of the session's executor does with the member; the in-doubt writes of the executor
// move to the grace. If the member was removed or taken over meanwhile, there is no grace,
// and its index entries are cleaned up.
func (m *Member) BeginGrace(l *serial.Executor, x disconnect) {
	ms, r := m.Room.all, m.Room
	g := &grace{m: m, disconnect: x}
	g.executor.Init(r.ID, g.release)
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if r.Owned[m.ConnID] != m {
		ms.MarkInDoubt(l, m.eraseConn)
		return
	}
	r.Retain()
	ms.Retries.Move(l, &g.executor)
	m.Grace = g
	m.checks.drop()
	r.postCheck(m) // that was due since it had a socket
	// The member is shown away after AwayAfter, and its grace is stored then. That is also done
	// for a member that was shown away for its silence: its grace is not stored yet. If less than
	// AwayAfter of the grace would be left then, it is not shown away and its grace is not stored:
	// the member of a closed tab leaves without being away for a moment.
	wait := ms.AwayAfter.Milliseconds()
	if awayMs := max(x.atMs+wait, ms.StoreNow()); (!x.shownAway || m.Away.Load()) && awayMs+wait <= x.untilMs {
		g.schedule(awayMs, g.showAway)
	} else {
		g.schedule(x.untilMs, g.end)
	}
}

// schedule runs an operation of the grace at a time of the store's clock. The room's
// lock is held.
func (g *grace) schedule(atMs int64, op func()) {
	ms := g.m.Room.all
	wait := time.Duration(atMs-ms.StoreNow()) * time.Millisecond
	g.timer = ms.Clock.AfterFunc(max(wait, 0), func() { g.post(op) })
}

func (g *grace) post(op func()) { g.m.Room.all.Schedule(&g.executor, op) }

// showAway stores the grace, and shows the member away unless that was done already.
func (g *grace) showAway() {
	m := g.m
	ms, r := m.Room.all, m.Room
	r.Mu.Lock()
	over := g.Ended
	if !over {
		g.schedule(g.untilMs, g.end)
	}
	r.Mu.Unlock()
	if over {
		return
	}
	ctx, cancel := ms.StoreContext()
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
		ms.MarkInDoubt(&g.executor, step)
	}
}

// end removes the member when it was not resumed in time.
func (g *grace) end() {
	r := g.m.Room
	if g.isOver() {
		return
	}
	ms := r.all
	ctx, cancel := ms.StoreContext()
	defer cancel()
	_ = g.m.Depart(ctx, &g.executor, g.reason) // remembered if it failed
}

func (g *grace) isOver() bool {
	r := g.m.Room
	r.Mu.Lock()
	defer r.Mu.Unlock()
	return g.Ended
}

// stop ends the grace early: the member was resumed or removed, or this was
// its end. The room's lock is held.
func (g *grace) stop() {
	if g.Ended {
		return
	}
	g.Ended = true
	g.timer.Stop()
	g.post(func() {}) // so that release is called, which gives the room back
}

// release gives the room back once the grace is over and nothing is in doubt.
func (g *grace) release() {
	r := g.m.Room
	r.Mu.Lock()
	done := false
	g.executor.IfIdle(func() {
		if done = g.Ended && g.timer != nil; done {
			g.timer = nil // once
		}
	})
	r.Mu.Unlock()
	if done {
		r.Release()
	}
}

// LetGoPart is what a node that stops has done for the member, in which executor; none for a
// member that has neither a socket nor a grace.
func (m *Member) LetGoPart() (l *serial.Executor, part func(context.Context) (left bool)) {
	m.Room.Mu.Lock()
	defer m.Room.Mu.Unlock()
	switch {
	case m.Session != nil: // of a socket that has just closed
		return m.Session.Executor(), m.Session.LeaveOrHandOff
	case m.Grace != nil:
		return &m.Grace.executor, m.Grace.handOff
	}
	return nil, nil
}

func (g *grace) handOff(ctx context.Context) (left bool) {
	if g.isOver() {
		return false
	}
	g.m.HandOff(ctx, &g.executor, g.disconnect)
	return true
}

// HandOff stores the grace of a member and forgets it: any node can resume
// it. If the store does not answer, the grace begins when this node is found dead.
func (m *Member) HandOff(ctx context.Context, l *serial.Executor, x disconnect) {
	err := l.ResolveInDoubt(ctx)
	if err == nil {
		err = m.storeGrace(x)(ctx)
	}
	if err != nil {
		m.Room.all.Throttled.Warn("member not handed over; its grace begins when other servers find this one dead", "room", m.Room.ID, "connId", m.ConnID, "error", err)
	}
	m.letGo(0)
}

// LeaveInGrace begins a grace that the client asked for, in place of the join's. It is stored:
// the page that resumes may reach another node, and this one may stop before the grace ends.
// Called by operations of the executor only.
func (m *Member) LeaveInGrace(ctx context.Context, l *serial.Executor, graceMs int64) {
	x := m.DisconnectNow(store.ReasonLeave, graceMs)
	m.Room.Mu.Lock()
	m.GraceMs = graceMs
	m.Room.Mu.Unlock()
	step := m.storeGrace(x)
	if l.ResolveInDoubt(ctx) != nil || step(ctx) != nil {
		m.Room.all.MarkInDoubt(l, step)
	}
	m.BeginGrace(l, x)
}
