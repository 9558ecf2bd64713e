package engine

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// resync starts a resync: it loads the room again, buffers events meanwhile, and shows the
// difference. One load serves all callers while it is under way. The lock is held.
func (r *room) resync() {
	if r.loading {
		r.loadAgain = true // the change that is asked for may be newer than that load
		return
	}
	r.loading = true
	r.resyncAfter(0, firstReloadWait)
}

// resyncLater is resync for a timer.
func (r *room) resyncLater() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.eng.ctx.Err() == nil {
		r.resync()
	}
}

// firstReloadWait and lastReloadWait are how long a room waits that could not be
// loaded: longer each time.
const (
	firstReloadWait = 100 * time.Millisecond
	lastReloadWait  = time.Second
)

// resyncAfter loads the room after a wait, and repeats that until the store answers or the
// room is not used any more. It does not block.
func (r *room) resyncAfter(wait, next time.Duration) {
	e := r.eng
	load := func() { e.loadPool.Submit(r.id, func() { r.resyncOnce(next) }) }
	if wait == 0 {
		load()
		return
	}
	e.clock.AfterFunc(wait, func() {
		if e.ctx.Err() == nil && !r.unused() {
			load()
		}
	})
}

// loadsAtOnce bounds the rooms that a node reads at the same time; those that take
// long apart.
const loadsAtOnce = 64

// resyncOnce is one try.
func (r *room) resyncOnce(wait time.Duration) {
	e := r.eng
	ctx, cancel := e.storeContext()
	defer cancel()
	began := e.clock.Now()
	loaded, err := r.read(ctx, began)
	if err != nil {
		e.throttled.Warn("room not read from the store; trying again", "room", r.id, "error", err)
		r.resyncAfter(wait, min(2*wait, lastReloadWait))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applyLoad(loaded)
	r.loadStartedAt = began
	r.replayBuffered()
}

// read loads the room and, after a loss, which owners of members that are missing are
// dead.
func (r *room) read(ctx context.Context, began time.Time) (*replica.Reload, error) {
	e := r.eng
	loaded, err := e.store.Load(ctx, r.id)
	if err != nil {
		return nil, err
	}
	l := &replica.Reload{Room: loaded, Began: began}
	r.mu.Lock()
	lost := e.dataLossAt.Load()
	// The room itself may not have heard of a loss yet. Of one long ago it would have: that
	// was in another part of the store.
	l.DataLoss = e.lostData(began) && !lost.Before(r.loadStartedAt)
	owners := r.rep.Owners(l, e.clock.Now())
	r.mu.Unlock()
	if len(owners) == 0 {
		return l, nil
	}
	states, err := e.store.NodeStates(ctx, owners)
	if err != nil { // their members are shown until the rebuilding ends: those of this node must not wait
		e.throttled.Warn("dead servers not known; members that the store lost are shown for longer", "room", r.id, "error", err)
		return l, nil
	}
	l.Dead = make(map[string]bool, len(owners))
	for i, state := range states {
		l.Dead[owners[i]] = state == store.NodeDead
	}
	return l, nil
}

// applyLoad makes a loaded room the replica, shows the difference, and sees to what it
// means to the members of this node. The lock is held.
func (r *room) applyLoad(l *replica.Reload) {
	now := r.eng.moment()
	l.Held = r.buffered.events
	d := r.rep.Reload(l, now)
	for _, c := range d.Changes {
		r.publish(c, c.Member)
	}
	for i := range d.Stale {
		r.members.Stale(&d.Stale[i], now.Time)
	}
	r.members.Loaded(l.Members)
	for _, a := range r.waiters {
		if m := r.rep.Member(a.connID); m != nil && a.matches(&m.Member) {
			a.complete(nil, r.rep.Seq())
		}
	}
	r.endRebuilding(now.Time)
}

// endRebuilding has the room loaded again when a rebuilding shows missing members for
// long enough. The lock is held.
func (r *room) endRebuilding(now time.Time) {
	end, waits := r.rep.RebuildEnds()
	if !waits || r.rebuilt != nil {
		return
	}
	r.rebuilt = r.eng.clock.AfterFunc(end.Sub(now), func() {
		r.mu.Lock()
		r.rebuilt = nil
		r.mu.Unlock()
		r.resyncLater()
	})
}

// replayBuffered takes what came during a load. The lock is held.
func (r *room) replayBuffered() {
	r.loading, r.inSyncAt = false, r.eng.clock.Now()
	held := r.buffered.events
	r.buffered = eventBuffer{}
	for i := range held {
		if r.loading {
			r.bufferEvent(held[i]) // for the load that one of them asked for
			continue
		}
		r.receive(&held[i])
	}
	if r.loadAgain {
		r.loadAgain = false
		r.resync()
	}
}

func (r *room) unused() bool {
	r.eng.mu.Lock()
	defer r.eng.mu.Unlock()
	return r.refs == 0
}

// sleep waits; it reports false when the node ended meanwhile.
func (e *Node) sleep(d time.Duration) bool {
	return e.wait(e.ctx, d) == nil
}
