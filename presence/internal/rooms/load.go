package rooms

import (
	"context"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
)

// shut ends the subscription, once the room is open.
func (r *Room) shut() {
	select {
	case <-r.ready:
		r.unsubscribe()
	default: // open sees that the room is not used
	}
}

func (r *Room) unsubscribe() {
	r.closeOnce.Do(func() {
		r.Mu.Lock()
		r.forgetSnapshot()
		r.Mu.Unlock()
		if r.sub != nil {
			r.sub.Close()
		}
		if r.openedHook {
			r.all.Observer.CloseReplica(r.ID)
		}
	})
}

// open makes the room ready, or gives it up.
func (r *Room) open() {
	rs := r.all
	ctx, cancel := rs.StoreContext()
	defer cancel()
	r.err = r.fill(ctx)
	rs.mu.Lock()
	if r.err != nil {
		rs.remove(r) // the next caller tries again
	}
	abandoned := r.refs == 0
	close(r.ready)
	rs.mu.Unlock()
	if r.err != nil || abandoned {
		r.unsubscribe()
	}
}

// fill subscribes first and loads then, so that no event falls in between.
func (r *Room) fill(ctx context.Context) (err error) {
	rs := r.all
	if r.sub, err = rs.Store.Subscribe(ctx, r.ID, r); err != nil {
		return err
	}
	if rs.Observer != nil {
		r.openedHook = true
		if err = rs.Observer.OpenReplica(ctx, r.ID); err != nil {
			return err
		}
	}
	began := rs.Clock.Now()
	loaded, err := rs.Store.Load(ctx, r.ID)
	if err != nil {
		return err
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	r.loadStartedAt = began
	now := rs.moment()
	stale := r.Rep.Load(loaded, began, now)
	for i := range stale {
		r.Members.Stale(&stale[i], now.Time)
	}
	r.replayBuffered()
	return nil
}

// Resync starts a resync: it loads the room again, buffers events meanwhile, and shows the
// difference. One load serves all callers while it is under way. The lock is held.
func (r *Room) Resync() {
	if r.Loading {
		r.loadAgain = true // the change that is asked for may be newer than that load
		return
	}
	r.Loading = true
	r.resyncAfter(0, firstReloadWait)
}

// resyncLater is Resync for a timer, which does not hold the lock.
func (r *Room) resyncLater() {
	r.Mu.Lock()
	defer r.Mu.Unlock()
	if r.all.Ctx.Err() == nil {
		r.Resync()
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
func (r *Room) resyncAfter(wait, next time.Duration) {
	rs := r.all
	load := func() { rs.loadPool.Submit(r.ID, func() { r.resyncOnce(next) }) }
	if wait == 0 {
		load()
		return
	}
	rs.Clock.AfterFunc(wait, func() {
		if rs.Ctx.Err() == nil && !r.unused() {
			load()
		}
	})
}

// LoadsAtOnce bounds the rooms that a node reads at the same time; those that take
// long apart.
const LoadsAtOnce = 64

// resyncOnce is one try.
func (r *Room) resyncOnce(wait time.Duration) {
	rs := r.all
	ctx, cancel := rs.StoreContext()
	defer cancel()
	began := rs.Clock.Now()
	loaded, err := r.read(ctx, began)
	if err != nil {
		rs.Throttled.Warn("room not read from the store, so it may be shown as it was before; trying again", "room", r.ID, "error", err)
		r.resyncAfter(wait, min(2*wait, lastReloadWait))
		return
	}
	r.Mu.Lock()
	defer r.Mu.Unlock()
	r.applyLoad(loaded)
	r.loadStartedAt = began
	r.replayBuffered()
}

// read loads the room and, after a loss, which owners of members that are missing are
// dead.
func (r *Room) read(ctx context.Context, began time.Time) (*replica.Reload, error) {
	rs := r.all
	loaded, err := rs.Store.Load(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	l := &replica.Reload{Room: loaded, Began: began}
	r.Mu.Lock()
	lost := rs.DataLossAt.Load()
	// The room itself may not have heard of a loss yet. Of one long ago it would have: that
	// was in another part of the store.
	l.DataLoss = rs.LostData(began) && !lost.Before(r.loadStartedAt)
	owners := r.Rep.Owners(l, rs.Clock.Now())
	r.Mu.Unlock()
	if len(owners) == 0 {
		return l, nil
	}
	states, err := rs.Store.NodeStates(ctx, owners)
	if err != nil { // their members are shown until the rebuilding ends: those of this node must not wait
		rs.Throttled.Warn("the store did not say which servers are dead; members of theirs that it lost are shown for up to 10 s longer", "room", r.ID, "error", err)
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
func (r *Room) applyLoad(l *replica.Reload) {
	now := r.all.moment()
	l.Held = r.Buffered.Events
	d := r.Rep.Reload(l, now)
	for _, c := range d.Changes {
		r.publish(c, c.Member)
	}
	r.gather(d.Changes...)
	for i := range d.Stale {
		r.Members.Stale(&d.Stale[i], now.Time)
	}
	r.Members.Loaded(l.Members)
	for _, a := range r.waiters {
		if m := r.Rep.Member(a.connID); m != nil && a.matches(&m.Member) {
			a.complete(nil, r.Rep.Seq())
		}
	}
	r.endRebuilding(now.Time)
}

// endRebuilding has the room loaded again when a rebuilding shows missing members for
// long enough. The lock is held.
func (r *Room) endRebuilding(now time.Time) {
	end, waits := r.Rep.RebuildEnds()
	if !waits {
		return
	}
	if r.rebuilt != nil {
		r.rebuilt.Stop() // of a rebuilding before this one, maybe
	}
	r.rebuilt = r.all.Clock.AfterFunc(end.Sub(now), func() {
		r.Mu.Lock()
		r.rebuilt = nil
		r.Mu.Unlock()
		r.resyncLater()
	})
}

// replayBuffered takes what came during a load. The lock is held.
func (r *Room) replayBuffered() {
	r.Loading, r.inSyncAt = false, r.all.Clock.Now()
	held := r.Buffered.Events
	r.Buffered = eventBuffer{}
	for i := range held {
		r.receive(&held[i])
	}
	if r.loadAgain {
		r.loadAgain = false
		r.Resync()
	}
}

func (r *Room) unused() bool {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	return r.refs == 0
}

const (
	// MaxBuffered bounds the events that a room holds back during a load, which may fail for
	// as long as the store does not answer.
	MaxBuffered = 1024
	// MaxBufferedBytes bounds their states.
	MaxBufferedBytes = 1 << 20
)

// eventBuffer are the events of a room that came while it is being loaded.
type eventBuffer struct {
	Events []store.Event
	Bytes  int
}

// bufferEvent buffers an event until the load is done. When the buffer is full all events in it
// are dropped. Leaves are remembered as tombstones; a second load has what the other events
// said. The room's lock is held.
func (r *Room) bufferEvent(e store.Event) {
	h := &r.Buffered
	if h.Bytes += len(e.Member.State); len(h.Events) >= MaxBuffered || h.Bytes > MaxBufferedBytes {
		for i := range h.Events {
			r.Rep.NoteLeave(&h.Events[i], r.all.Clock.Now())
		}
		*h = eventBuffer{Bytes: len(e.Member.State)}
		r.loadAgain = true
	}
	h.Events = append(h.Events, e)
}
