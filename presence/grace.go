package presence

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// loss is how a member came to be without a socket. Times are Unix ms of the
// store's clock.
type loss struct {
	reason  Reason
	atMs    int64
	untilMs int64 // when its grace ends
	shown   bool  // it is shown away already
}

// lossNow is a loss of this moment.
func (e *engine) lossNow(reason Reason, graceMs int64) loss {
	now := e.storeNow()
	return loss{reason: reason, atMs: now, untilMs: now + graceMs}
}

// grace keeps a member that lost its socket until it is resumed or its time is
// over.
type grace struct {
	lane
	loss
	m     *membership
	timer timer
	over  bool // guarded by room.mu
}

// graced is the member as it stands while a grace runs.
func (m *membership) graced(x loss) store.Member {
	next := m.record()
	next.Write++
	next.Away, next.UntilMs, next.Lost = x.shown, x.untilMs, x.reason
	return next
}

// storeGrace is the step that stores a grace without telling anybody; it may
// be repeated. What it writes is made when it first runs.
func (m *membership) storeGrace(x loss) func(context.Context) error {
	return m.writing(func() store.Put { return store.Put{Member: m.graced(x), Quiet: true} })
}

// writing is a step that writes a member in place, again and again until the
// store answers. An operation of the lane.
func (m *membership) writing(make func() store.Put) func(context.Context) error {
	var put store.Put
	return func(ctx context.Context) error {
		if put.Intent == 0 {
			put = make()
			put.Intent, put.Fence = store.IntentUpdate, put.Member.Epoch
		}
		res, err := m.room.eng.put(ctx, &put, m.room)
		if err == nil {
			m.wrote(res.Outcome, &put.Member)
		}
		return err
	}
}

// beginGrace lets a member without a socket live on. Called by operations of
// its seat's lane l, as the last thing they do with it; what is unsettled there
// is the grace's from then on. A membership that somebody took or removed
// meanwhile gets none; what it left in the indexes is cleaned up.
func (m *membership) beginGrace(l *lane, x loss) {
	e, r := m.room.eng, m.room
	g := &grace{lane: lane{roomID: r.id}, m: m, loss: x}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owned[m.connID] != m {
		e.unsettle(l, e.patient(0, m.unregister))
		return
	}
	e.retain(r)
	for _, settle := range l.unsettled {
		e.unsettle(&g.lane, settle)
	}
	l.unsettled = nil
	g.lane.idle = g.release
	m.grace = g
	if m.restoring || m.lost != noReset { // since it had a socket
		m.restoring = false
		r.question(m)
	}
	// One that was shown away for its silence has no stored grace yet. One that would be
	// away for less than the time before that is not shown so: a closed tab does not blink.
	wait := e.awayAfter.Milliseconds()
	if awayMs := x.atMs + wait; (!x.shown || m.away.Load()) && awayMs+wait <= x.untilMs {
		g.at(awayMs, g.showAway)
	} else {
		g.at(x.untilMs, g.end)
	}
}

// at runs an operation of the grace at a time of the store's clock. The room's
// lock is held.
func (g *grace) at(ms int64, op func()) {
	e := g.m.room.eng
	wait := time.Duration(ms-e.storeNow()) * time.Millisecond
	g.timer = e.clock.AfterFunc(max(wait, 0), func() { g.post(op) })
}

func (g *grace) post(op func()) { g.m.room.eng.later(&g.lane, op) }

// showAway stores the grace, and tells the room that the member is gone, for now,
// unless it was told.
func (g *grace) showAway() {
	m := g.m
	e, r := m.room.eng, m.room
	r.mu.Lock()
	over := g.over
	if !over {
		g.at(g.untilMs, g.end)
	}
	r.mu.Unlock()
	if over {
		return
	}
	ctx, cancel := e.bounded()
	defer cancel()
	x := g.loss
	x.shown = true
	told := g.shown
	write := m.writing(func() store.Put { return store.Put{Member: m.graced(x), Quiet: told} })
	step := func(ctx context.Context) error {
		if err := write(ctx); err != nil {
			return err
		}
		g.shown = true
		return nil
	}
	if g.settle(ctx) != nil || step(ctx) != nil {
		e.unsettle(&g.lane, step)
	}
}

// end removes the member when nobody resumed it in time.
func (g *grace) end() {
	r := g.m.room
	if g.isOver() {
		return
	}
	e := r.eng
	ctx, cancel := e.bounded()
	defer cancel()
	_ = e.depart(ctx, &g.lane, g.m, g.reason) // remembered if it failed
}

func (g *grace) isOver() bool {
	r := g.m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	return g.over
}

// stop ends the grace early: the member was resumed or removed, or this was
// its end. The room's lock is held.
func (g *grace) stop() {
	if g.over {
		return
	}
	g.over = true
	g.timer.Stop()
	g.post(func() {}) // its idle hook gives the room back
}

// release gives the room back once the grace is over and nothing is unsettled.
func (g *grace) release() {
	r := g.m.room
	r.mu.Lock()
	g.lane.mu.Lock()
	done := g.over && !g.lane.busy && len(g.unsettled) == 0 && g.timer != nil
	if done {
		g.timer = nil // once
	}
	g.lane.mu.Unlock()
	r.mu.Unlock()
	if done {
		r.eng.release(r)
	}
}

// retain takes another reference to a room that is referred to already.
func (e *engine) retain(r *room) {
	e.mu.Lock()
	r.refs++
	e.mu.Unlock()
}
