package engine

import (
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/realtime-ai/realtime-message-go/presence/internal/clock"
	"github.com/realtime-ai/realtime-message-go/presence/internal/replica"
	"github.com/realtime-ai/realtime-message-go/presence/internal/store"
	"github.com/realtime-ai/realtime-message-go/presence/internal/wire"
)

// room is a node's replica of a room in which it has sockets, and those sockets.
type room struct {
	eng  *Rooms // that it is one of
	id   string
	refs int // guarded by Rooms.mu

	ready chan struct{} // closed when open is done
	err   error         // why it failed; set before ready closes
	sub   store.Subscription

	openedHook bool // the hooks were called when it opened
	closeOnce  sync.Once

	// members are those of this node in the room.
	members roomMembers

	mu            sync.Mutex
	rep           *replica.Replica
	inSyncAt      time.Time // when the replica was last in line with the store
	loadStartedAt time.Time // when the load began that it is from
	// loading: a load is under way, and events are buffered; loadAgain: one more is to
	// follow it.
	loading, loadAgain bool
	buffered           eventBuffer
	rebuilt            clock.Timer // loads the room again when a rebuilding ends; nil: none waits

	listeners   []*listener // that get the room's events
	subscribers []*Subscription
	waiters     []*waiter

	snap            *snapshot         // the last that was shared; it may be old
	nextSnapshot    SharedBody        // waits to become the next; nil: none does
	snapshotWaiters []*snapshotWaiter // requests that wait for a snapshot
	serving         bool              // a goroutine answers them
}

// roomMembers is what a room needs of the members that this node owns in it. The room's lock
// is held in all of its methods, and none blocks.
type roomMembers interface {
	replica.Owner
	// Changed says that the replica took an event.
	Changed(e *store.Event)
	// Loaded says that the room was loaded, and which members it has.
	Loaded(members []store.Member)
	// Stale says that the store has a member whose life has ended.
	Stale(m *store.Member, now time.Time)
}

// position is where the replica stands, as the store shall know it.
func (r *room) position() store.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rep.Position()
}

// moment is now, as the replica wants it.
func (e *Rooms) moment() replica.Now {
	now := e.clock.Now()
	return replica.Now{Time: now, StoreMs: e.storeTime(now)}
}

// HandleEvent implements store.Receiver.
func (r *room) HandleEvent(e store.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loading {
		r.bufferEvent(e)
		return
	}
	r.receive(&e)
}

// HandleCast implements store.Receiver; casts are the cluster adapter's.
func (r *room) HandleCast(string, []byte) {}

// HandleInterrupt implements store.Receiver: whatever was missed, a
// resync finds it.
func (r *room) HandleInterrupt(_ string, lost bool) { r.scheduleResync(lost) }

// scheduleResync has the room loaded again, not at once with all others of all nodes.
func (r *room) scheduleResync(lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost {
		r.rep.Lost(r.eng.clock.Now(), true)
	}
	r.rep.Suspect()
	r.eng.clock.AfterFunc(jitter(), r.resyncLater)
}

// maxJitter is over what time nodes spread what an outage makes all of them do.
const maxJitter = time.Second

// jitter is a part of it.
func jitter() time.Duration { return mathrand.N(maxJitter) }

// receive gives an event to the replica, shows what it changed, and sees to what it means
// to a member of this node. The lock is held.
func (r *room) receive(e *store.Event) {
	now, before := r.eng.moment(), r.rep.Loaded()
	out := r.rep.Receive(e, now)
	if out.Stale {
		r.members.Stale(&e.Member, now.Time)
	}
	if !out.Taken {
		r.resync()
		return
	}
	if r.rep.Loaded() == e.Position {
		if e.Position != before { // one that a load had already says nothing of what came since
			r.inSyncAt = now.Time
		}
		r.publish(out.Change, &e.Member)
		r.members.Changed(e)
	}
}

// Stale implements roomMembers: the member is removed again.
func (r *ownRoom) Stale(m *store.Member, now time.Time) {
	if t, ok := r.all.tombstones.Of(m.Life, now); ok {
		r.all.repeatLeave(t)
	}
}

// shownEpoch is the epoch of a connId that clients saw. The lock is held.
func (r *room) shownEpoch(connID string) int64 {
	if m := r.rep.Member(connID); m != nil {
		return m.Epoch
	}
	return 0
}

// readSince reports whether the replica is from a load that began after a time, and none is
// under way. The lock is held.
func (r *room) readSince(at time.Time) bool { return !r.loading && !r.loadStartedAt.Before(at) }

// shown is a member as clients see it, if they see it.
func (r *room) shown(connID string) (m store.Member, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if shown := r.rep.Member(connID); shown != nil {
		return shown.Member, true
	}
	return m, false
}

// has reports whether the connId is that of a member of this node, or is shown as one of
// another node.
func (r *ownRoom) has(connID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	stands := r.rep.Member(connID) // one of this node's own just left
	return r.owned[connID] != nil || stands != nil && stands.Owner != r.all.self()
}

// Share implements replica.Owner. The lock is held.
func (r *ownRoom) Share(m *store.Member) {
	if own := r.owned[m.ConnID]; own != nil && own.userID == m.UserID {
		m.ConnID, m.UserID = own.connID, own.userID
		if m.Life == own.life {
			m.Life = own.life
		}
	}
}

// SeenMs implements replica.Owner. The lock is held.
func (r *ownRoom) SeenMs(connID string) int64 {
	if own := r.owned[connID]; own != nil && own.session != nil {
		return r.all.storeTime(own.session.LastPacket())
	}
	return 0
}

// publish gives an event to all who hear the room, and tells who waits for this
// member that it arrived. A nil change is one that clients need not see. The
// lock is held.
func (r *room) publish(c *replica.Change, m *store.Member) {
	var f Frame
	if c != nil {
		if len(r.listeners) > 0 || len(r.waiters) > 0 {
			f = r.eng.encodeEvent(&c.Shown)
		}
		for _, own := range r.listeners {
			own.to.Deliver(f)
		}
		for _, w := range r.subscribers {
			w.deliver(c.Event)
		}
	}
	for _, a := range r.waiters {
		if a.matches(m) {
			if c != nil && c.Type == wire.EventJoin {
				a.complete(f, c.Seq)
			} else {
				a.complete(nil, r.rep.Seq())
			}
		}
	}
}

// Changed implements roomMembers: what an event means to the member's owner, if that was this node:
// taken over by another node, or removed by one. The lock is held.
func (r *ownRoom) Changed(e *store.Event) {
	m := r.owned[e.Member.ConnID]
	switch {
	case m == nil:
	case e.Intent != store.IntentLeave:
		if e.Member.Owner != m.owner || e.Member.Life != m.life {
			r.compareOwned(m, &e.Member)
		}
	case e.Member.Life == m.life:
		if !m.leaving { // another node removed it, and may die before it repeats that
			m.noteEnd(e.Reason, true)
		}
		m.epoch.Store(max(m.epoch.Load(), e.Member.Epoch)) // what comes after is above it
		r.compareOwned(m, nil)
	}
}
